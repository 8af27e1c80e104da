package jobs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIdentifyReadsWhatIsGoodByItself(t *testing.T) {
	two := []Token{NewToken("ab"), NewToken("cd")}
	for body, want := range map[string]*Job{
		``:                               {},
		`{"id":"a"`:                      {},
		`[]`:                             {},
		`{"bagde":1}`:                    {App: DefaultApp},
		`{"id":"promo-7","badge":"x"}`:   {App: DefaultApp, ID: "promo-7"},
		`{"id":"PUSH_1","app":"Shop"}`:   {},
		`{"id":7,"app":"shop"}`:          {App: "shop"},
		`{"campaign":"c","ids":"ab"}`:    {App: DefaultApp, Campaign: "c", IDs: two[:1]},
		`{"ids":["ab","cd"],"x":1}`:      {App: DefaultApp, IDs: two},
		`{"ids":["ab",7],"id":"a"}`:      {App: DefaultApp, ID: "a"},
		`{"ids":"ab","ids":["ab","cd"]}`: {App: DefaultApp, IDs: two},
	} {
		for _, p := range Platforms() {
			want := *want
			want.Platform, want.OnUncertain = p, OnUncertainResend
			if p == APNS {
				want.APNS = &APNSOptions{}
			} else {
				want.GCM = &GCMOptions{}
			}
			if diff := cmp.Diff(&want, Identify(p, []byte(body)), cmpJob); diff != "" {
				t.Errorf("%s: %s", body, diff)
			}
		}
	}
}

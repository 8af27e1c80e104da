package provider

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
	"github.com/volleypush/volley/sender/simulator"
)

func TestStatesOfAllApps(t *testing.T) {
	r := apnsRegistry(t)
	authority, err := simulator.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.ClientCertificate("Apple Push Services: com.example", "com.example")
	if err != nil {
		t.Fatal(err)
	}
	shop, err := apns.New(apns.Config{Certificate: &certificate})
	if err != nil {
		t.Fatal(err)
	}
	r.AddAPNS(APNSParams{Name: "a-shop", Client: shop})
	google, err := gcm.New(gcm.Config{Protocol: gcm.Legacy, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	r.AddGCM(GCMParams{Name: "default", Client: google})
	info, _ := shop.Certificate()
	if info.NotAfter.Before(time.Now()) {
		t.Fatal("the certificate has expired")
	}
	want := []State{
		{Platform: jobs.APNS, App: "a-shop", CredentialExpires: info.NotAfter}, {Platform: jobs.APNS, App: "default"}, {Platform: jobs.GCM, App: "default"},
	}
	if diff := cmp.Diff(want, r.States()); diff != "" {
		t.Error(diff)
	}
}

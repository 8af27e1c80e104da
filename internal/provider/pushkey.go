package provider

import (
	"fmt"
	"slices"
	"time"

	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/gcm"
)

// FCM passes notifications on to Apple and to browsers with keys that lie in the Firebase project. When one of them is refused, the
// recipients of that platform fail one by one and the others are well: nothing would tell whose business it is.

// alarmEvery is how often that is told at most. Replicas that say the same in ten minutes raise one event together.
const alarmEvery = 10 * time.Minute

// judge looks for answers about the key in the Firebase project.
func (a *gcmApp) judge(answers []sender.Outcome) {
	i := slices.IndexFunc(answers, func(o sender.Outcome) bool {
		return o.Reason == gcm.Reason("THIRD_PARTY_AUTH_ERROR") || o.Reason == gcm.Reason("InvalidApnsCredential")
	})
	if i < 0 || a.PushKeyRejected == nil {
		return
	}
	now := a.Now()
	a.mu.Lock()
	told := now.Sub(a.alarmed) < alarmEvery
	if !told {
		a.alarmed = now
	}
	a.mu.Unlock()
	if !told {
		a.PushKeyRejected(fmt.Sprintf("app %q: %s: Apple or a browser refuses the key in the Firebase project, and its recipients fail; the others are sent to. "+
			"Upload a valid APNs key or web push key pair under Cloud Messaging in the project's settings; delete no recipients", a.Name, answers[i].Reason.Name))
	}
}

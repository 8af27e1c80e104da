package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

// previewTopic stands for what only the worker's configuration knows.
const previewTopic = "TOPIC-OF-THE-APP"

// Preview renders what the provider would get for the job's first recipient: the request with its headers, but for credentials, and
// the body. It knows no app's settings, so it shows the defaults. The error is jobs.Faults if the job can't be sent as it is.
func Preview(job *jobs.Job, now time.Time) (string, error) {
	seg := &jobs.Segment{Job: job, JobID: job.ID, Segments: 1, Total: job.Recipients(), Published: now}
	if job.Platform == jobs.GCM {
		return previewGCM(seg, now)
	}
	return previewAPNS(seg)
}

func previewAPNS(seg *jobs.Segment) (string, error) {
	key, err := throwAwayKey()
	if err != nil {
		return "", err
	}
	client, err := apns.New(apns.Config{Key: key, Topic: previewTopic})
	if err != nil {
		return "", fmt.Errorf("preparing the preview: %w", err)
	}
	app := newAPNS(APNSParams{
		Name: seg.Job.App, Client: client, Topic: previewTopic, ErrorTimeout: apns.DefaultErrorTimeout,
		Expiration: apns.DefaultExpirationOffset, BatchSize: apns.DefaultBatchSize, MaxPayloadLength: 0, Retries: apns.DefaultRetries, MaxAttempts: 1, Backlog: 0, MessageIDs: false, Rate: nil, Source: "", WrongEnvironment: nil,
	})
	request, _, each, err := app.request(seg)
	if err != nil {
		return "", faultsOf(err)
	}
	if request.Channel == "" {
		request.Tokens = []string{seg.Job.Recipient(0)}
	}
	request.IDs = apnsIDs(seg.Job.App, seg.JobID, []int{0})
	if each != nil {
		out := make([]sender.Outcome, 1)
		_, payloads := each.payloads(seg.Job.Vars, []int{0}, out)
		if len(payloads) == 0 {
			return "", unpersonal(out[0])
		}
		request.Payload = []byte(payloads[0])
	}
	var b strings.Builder
	path, err := client.Path(&request, 0)
	if err != nil {
		return "", faultsOf(err)
	}
	fmt.Fprintf(&b, "POST %s%s\n", apns.ProductionEndpoint, path)
	fields, err := client.HeaderFields(&request, 0)
	if err != nil {
		return "", faultsOf(err)
	}
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "\n%s\n", request.Payload)
	return b.String(), nil
}

// throwAwayKey makes a key for a client that never connects.
func throwAwayKey() (*apns.Key, error) {
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("preparing the preview: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return nil, fmt.Errorf("preparing the preview: %w", err)
	}
	key, err := apns.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "PREVIEWKEY", "PREVIEWTEA")
	if err != nil {
		return nil, fmt.Errorf("preparing the preview: %w", err)
	}
	return key, nil
}

func previewGCM(seg *jobs.Segment, now time.Time) (string, error) {
	prepared, err := previewPrepared(seg.Job, now)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s/v1/projects/PROJECT/messages:send\ncontent-type: application/json\n", gcm.DefaultEndpoint)
	fmt.Fprintf(&b, "\n%s\n", prepared.Body(seg.Job.Recipient(0)))
	for _, text := range prepared.Notices() {
		fmt.Fprintf(&b, "note: %s\n", text)
	}
	return b.String(), nil
}

// previewPrepared renders the message for the first recipient.
func previewPrepared(job *jobs.Job, now time.Time) (*gcm.Prepared, error) {
	if job.Vars == nil {
		return gcm.Prepare(gcm.V1, gcmMessage(job), now)
	}
	each, err := gcm.PreparePersonal(gcm.V1, gcmMessage(job), now)
	if err != nil {
		return nil, err
	}
	out := make([]sender.Outcome, 1)
	messages := each.For(job.Vars[:1], out)
	if messages[0] == nil {
		return nil, unpersonal(out[0])
	}
	return messages[0], nil
}

// unpersonal says why the first recipient gets nothing.
func unpersonal(out sender.Outcome) error {
	return jobs.Faults{{Field: "recipients[0]", Problem: "gets nothing: " + out.Reason.Name + " (" + out.Reason.Description + ")"}}
}

package app

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

func syncWords(always bool) string {
	if always {
		return ", fsync on every write"
	}
	return ", fsync every two minutes"
}

func describeAPNS(a *config.APNS, client *apns.Client) string {
	if a.Protocol == config.ProtocolBinary {
		return describeBinary(a, client)
	}
	endpoint := a.Endpoint
	if endpoint == "" {
		endpoint = apns.ProductionEndpoint
		if a.Environment == config.EnvironmentSandbox {
			endpoint = apns.SandboxEndpoint
		}
	}
	return strings.Join([]string{"topic " + cmp.Or(a.Topic, "of the certificate"), endpoint, describeCredential(a, client)}, ", ")
}

func describeBinary(a *config.APNS, client *apns.Client) string {
	gateway, feedback := apns.ProductionGateway, apns.ProductionFeedback
	if a.Environment == config.EnvironmentSandbox {
		gateway, feedback = apns.SandboxGateway, apns.SandboxFeedback
	}
	polled := "feedback service not asked"
	if a.FeedbackInterval > 0 {
		polled = fmt.Sprintf("feedback service %s every %s", cmp.Or(a.FeedbackEndpoint, feedback), a.FeedbackInterval)
	}
	return strings.Join([]string{
		"binary protocol, topic " + cmp.Or(a.Topic, "of the certificate"), cmp.Or(a.Endpoint, gateway), polled, describeCredential(a, client),
	}, ", ")
}

func describeGCM(g *config.GCM, workers int, project string) string {
	if g.Protocol == config.ProtocolLegacy {
		if g.Endpoint == "" {
			return "legacy protocol, " + gcm.DefaultLegacyEndpoint
		}
		return "legacy protocol, " + g.Endpoint + ", server key"
	}
	credential := "credential from " + g.ServiceAccount
	if g.MetadataServer {
		credential = "the service account of this machine"
	}
	quota := "no quota"
	if g.QuotaPerMinute > 0 {
		quota = fmt.Sprintf("%d messages a minute", g.QuotaPerMinute/workers)
	}
	return strings.Join([]string{"FCM v1", project, credential, quota}, ", ")
}

package app

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/volleypush/volley/internal/config"
	"github.com/volleypush/volley/internal/provider"
	"github.com/volleypush/volley/jobs"
	"github.com/volleypush/volley/sender/apns"
	"github.com/volleypush/volley/sender/gcm"
)

// sideKey names what an app has for one platform.
type sideKey struct {
	platform jobs.Platform
	name     string
}

// String is "apns.shop".
func (k sideKey) String() string { return string(k.platform) + "." + k.name }

// material is what a side is made of: its settings, and what the files hold that they name.
type material struct {
	app     *config.App
	content [sha256.Size]byte
}

// materialOf reads the files of a side. It is read before they are used: a change meanwhile is noticed by the next look.
func materialOf(k sideKey, a *config.App) material {
	return material{app: a, content: contentOf(filesOf(k.platform, a)...)}
}

// same says whether two materials make the same side.
func (m material) same(o material, platform jobs.Platform) bool {
	return m.content == o.content && m.sameSettings(o, platform)
}

func (m material) sameSettings(o material, platform jobs.Platform) bool {
	if m.app == nil || o.app == nil {
		return m.app == o.app
	}
	if m.app.MaxAttempts != o.app.MaxAttempts || m.app.Backlog != o.app.Backlog || m.app.MessageIDs != o.app.MessageIDs {
		return false
	}
	if platform == jobs.APNS {
		return reflect.DeepEqual(m.app.APNS, o.app.APNS)
	}
	return reflect.DeepEqual(m.app.GCM, o.app.GCM)
}

// filesOf are the files that a side's credential is read from.
func filesOf(platform jobs.Platform, a *config.App) []string {
	if platform == jobs.APNS {
		return []string{a.APNS.KeyFile, a.APNS.Certificate, a.APNS.CertificatePasswordFile, a.APNS.CAFile}
	}
	return []string{a.GCM.ServiceAccount, a.GCM.APIKeyFile, a.GCM.CAFile}
}

// side is an app's credential and connections for one platform, as they were made at one time.
type side struct {
	sideKey
	material
	sender provider.App
	// apple is the client for Apple, google that for Google; the other one is nil.
	apple  *apns.Client
	google *gcm.Client
	// rate is the app's own, of both its sides.
	rate *provider.Rate
	// project is the Firebase project that shares a quota; "" for none.
	project string
	// credential names the credential for people.
	credential string
	// warned is how many of the warnings about a certificate's end are due and told.
	warned int
}

// open makes a side. Nothing is dialled.
func (k *keeper) open(key sideKey, m material) (*side, error) {
	s := &side{sideKey: key, material: m, rate: k.rate(key.name, m.app)}
	var err error
	if key.platform == jobs.APNS {
		err = k.openAPNS(s)
	} else {
		err = k.openGCM(s)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (k *keeper) openAPNS(to *side) error {
	s, name := to.app.APNS, to.name
	client, err := OpenAPNS(s, k.now)
	if err != nil {
		return err
	}
	to.apple, to.credential = client, describeCredential(s, client)
	to.sender = provider.NewAPNS(provider.APNSParams{
		Name: name, Client: client, Topic: s.Topic,
		ErrorTimeout: time.Duration(s.DefaultErrorTimeout * float64(time.Second)), Expiration: time.Duration(s.DefaultExpirationOffset) * time.Second,
		BatchSize: s.DefaultBatchSize, MaxPayloadLength: s.DefaultMaxPayloadLength, Retries: s.DefaultRetries,
		MaxAttempts: to.app.MaxAttempts, Backlog: int64(to.app.Backlog), MessageIDs: to.app.MessageIDs, Rate: to.rate, Source: s.KeyFile + s.Certificate, // one of them
		WrongEnvironment: func(detail string) { k.alarm(jobs.APNS, name, stateWrongEnvironment, detail) },
	})
	return nil
}

func (k *keeper) openGCM(to *side) error {
	s, name := to.app.GCM, to.name
	log := k.logs("volley.gcm").With().Str("app", name).Logger()
	roots, err := pool(s.CAFile)
	if err != nil {
		return err
	}
	client := gcm.Config{
		Protocol: gcm.Protocol(s.Protocol), Engine: gcm.Engine(s.Engine), Connections: s.Connections, Endpoint: s.Endpoint, ProjectID: s.ProjectID, RootCAs: roots, Now: k.now,
	}
	to.credential = "the server key"
	if s.Protocol == config.ProtocolLegacy {
		key, err := s.Key()
		if err != nil {
			return err
		}
		client.APIKey = key.Reveal()
		if s.APIKeyFile != "" {
			to.credential += " from " + s.APIKeyFile
		}
	} else {
		if client.Credential, err = googleCredential(s); err != nil {
			return err
		}
		to.credential = fmt.Sprint(client.Credential)
		if s.ServiceAccount != "" {
			to.credential += " from " + s.ServiceAccount
		}
		to.project = strings.TrimSuffix(cmp.Or(s.Endpoint, gcm.DefaultEndpoint), "/") + "/v1/projects/" + cmp.Or(s.ProjectID, client.Credential.Project())
		client.Tokens = k.grants.of(to.material)
		if client.Quota, err = k.shares.of(to.project, name, s.QuotaPerMinute); err != nil {
			return err
		}
	}
	connection, err := gcm.New(client)
	if err != nil {
		return err
	}
	to.google = connection
	to.sender = provider.NewGCM(provider.GCMParams{
		Name: name, Client: connection, Protocol: client.Protocol, Project: to.project, Now: k.now, MaxAttempts: to.app.MaxAttempts, Backlog: int64(to.app.Backlog), MessageIDs: to.app.MessageIDs, Rate: to.rate,
		Notice:          func(text string) { log.Warn().Msg(text) },
		PushKeyRejected: func(detail string) { k.alarm(jobs.GCM, name, statePushKeyRejected, detail) },
	})
	return nil
}

// logger is that of the side's platform.
func (k *keeper) logger(platform jobs.Platform) zerolog.Logger {
	return k.logs("volley." + string(platform))
}

// rate is the app's own rate, this worker's share of it, as the settings have it now.
func (k *keeper) rate(name string, a *config.App) *provider.Rate {
	if k.rates[name] == nil {
		k.rates[name] = provider.NewRate()
	}
	workers := max(k.shares.workers, 1)
	k.rates[name].Set(a.Rate.PerSecond()/float64(workers), a.Burst/workers)
	return k.rates[name]
}

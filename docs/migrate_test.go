package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/volleypush/volley/results"
)

// theirs are the options of the other systems, each of which a guide must answer.
var theirs = map[string][]string{
	"pushjack.md": {
		"certificate", "default_error_timeout", "default_expiration_offset", "default_batch_size", "default_max_payload_length", "default_retries",
		"host", "port", "feedback_host", "feedback_port", "get_expired_tokens()", "close()", "conn", "create_connection()", "APNSSandboxClient",
		"ids", "message", "expiration", "low_priority", "batch_size", "error_timeout", "max_payload_length", "retries", "badge", "sound", "category",
		"content_available", "title", "title_loc_key", "title_loc_args", "action_loc_key", "loc_key", "loc_args", "launch_image", "mutable_content",
		"thread_id", "extra", "api_key", "url", "notification", "collapse_key", "delay_while_idle", "time_to_live", "restricted_package_name",
		"dry_run", ".successes", ".failures", ".errors", ".token_errors", ".canonical_ids", ".identifier", ".fatal",
	},
	"gorush.md": {
		"tokens", "platform", "notif_id", "message", "title", "image", "priority", "content_available", "mutable_content", "sound", "data", "retry",
		"api_key", "to", "collapse_key", "delay_while_idle", "time_to_live", "restricted_package_name", "dry_run", "condition", "notification", "expiration",
		"apns_id", "collapse_id", "topic", "push_type", "badge", "category", "thread-id", "url-args", "alert", "production", "development", "name",
		"volume", "interruption_level", "ios.key_path", "ios.key_base64", "ios.key_type", "ios.password", "ios.production", "ios.max_concurrent_pushes",
		"ios.max_retry", "ios.key_id", "ios.team_id", "android.key_path", "android.credential", "android.max_retry", "queue.engine", "core.address", "core.port",
		"core.worker_num", "core.queue_num", "core.max_notification", "core.sync", "core.feedback_hook_url", "core.feedback_timeout", "core.feedback_header",
		"core.shutdown_timeout", "core.http_proxy", "core.ssl", "core.auto_tls", "core.pid", "grpc.enabled", "log.format", "log.access_level", "log.error_level",
		"log.hide_token", "log.hide_messages", "stat.engine",
	},
	"rpush.md": {
		"name", "apn_key_id", "team_id", "bundle_id", "environment", "connections", "app", "device_token", "registration_ids", "alert", "badge", "sound",
		"category", "thread_id", "content_available", "mutable_content", "url_args", "mdm", "data", "priority", "expiry", "deliver_after", "fail_after",
		"notification", "collapse_key", "dry_run", "delay_while_idle", "config.client", "config.redis_options", "config.push_poll", "config.batch_size", "config.pid_file",
		"config.log_file", "config.logger", "config.log_level", "config.plugin", "Rpush.embed", "apns_feedback", "fcm_invalid_device_token", "gcm_canonical_id",
		"gcm_invalid_registration_id", "notification_delivered", "notification_failed", "notification_will_retry", "ssl_certificate_will_expire",
		"ssl_certificate_revoked", "error", "tcp_connection_lost", "fcm_delivered_to_recipient", "fcm_failed_to_recipient", "gcm_failed_to_recipient",
		"gcm_delivered_to_recipient",
	},
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

func spans(cell string) []string {
	var all []string
	for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

// Each option of the other system has a row, and each row names something that exists here or says why there is nothing.
func TestGuidesNameWhatExists(t *testing.T) {
	w := newWords(t)
	for guide, options := range theirs {
		answered := make(map[string]bool)
		for _, table := range tables(read(t, filepath.Join("migrate", guide))) {
			for _, row := range table.rows {
				for _, option := range spans(row[0]) {
					answered[option] = true
				}
				here := row[1]
				if !strings.HasPrefix(here, "not here, because ") && len(spans(here)) == 0 && here != "an acknowledgement of the publish" {
					t.Errorf("%s: %s leads to %q, which names nothing and gives no reason", guide, row[0], here)
				}
				for _, word := range spans(here) {
					if problem := w.check(table.name, word); problem != "" {
						t.Errorf("%s: %s leads to %s: %s", guide, row[0], word, problem)
					}
				}
			}
		}
		for _, option := range options {
			if !answered[option] {
				t.Errorf("%s says nothing of %s", guide, option)
			}
		}
	}
}

// The fields and subjects that the tables of producers.md name exist.
func TestProducersNameWhatExists(t *testing.T) {
	w := newWords(t)
	for _, table := range tables(read(t, "producers.md")) {
		kind, column := "results", 0
		switch table.name {
		case "job":
			kind, column = "job", 1
		case "dead":
			var reasons []string
			for _, row := range table.rows {
				reasons = append(reasons, spans(row[0])...)
			}
			if diff := cmp.Diff(results.DeadReasons(), reasons); diff != "" {
				t.Errorf("reasons of dead letters: %s", diff)
			}
			continue
		}
		for _, row := range table.rows {
			for _, word := range spans(row[column]) {
				if problem := w.check(kind, word); problem != "" {
					t.Errorf("%s: %s", word, problem)
				}
			}
		}
	}
}

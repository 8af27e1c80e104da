// This file models which topic goes with which push type and which credential: Apple, "Sending notification requests to
// APNs", descriptions of apns-topic and apns-push-type, and "Handling notification responses from APNs" for the reasons.
// Apple does not list the reason for a topic whose suffix does not fit the push type; DeviceTokenNotForTopic is what
// users of the service report. Not modelled: that a device token belongs to one topic (a script does that), key scopes.

package apnstest

import (
	"slices"
	"strings"

	"github.com/volleypush/volley/sender/simulator"
)

// suffixOf is what this push type adds; fixed is false if any topic goes with it.
func suffixOf(pushType string) (suffix string, fixed bool) {
	switch pushType {
	case "alert", "background":
		return "", true
	case "voip", "complication":
		return "." + pushType, true
	case "fileprovider":
		return ".pushkit.fileprovider", true
	case "location":
		return ".location-query", true
	case "pushtotalk":
		return ".voip-ptt", true
	case "liveactivity", "widgets", "controls":
		return ".push-type." + pushType, true
	}
	return "", false // mdm has the UID of its own certificate; without a type nothing is known
}

func (s *Server) checkTopic(topic, pushType string, certificate certificate) string {
	if !isTopic(topic) {
		return "BadTopic"
	}
	if !s.fits(topic, pushType) {
		return "DeviceTokenNotForTopic"
	}
	if certificate.presented {
		// A certificate lists whole topics, and locations go with tokens only.
		if !slices.Contains(certificate.topics, topic) || pushType == "location" {
			return "TopicDisallowed"
		}
		return ""
	}
	if len(s.options.Topics) > 0 && !s.permits(topic) {
		return "TopicDisallowed"
	}
	return ""
}

// fits compares the suffix. A bundle id may itself end like a suffix; then Options.Topics has to name it.
func (s *Server) fits(topic, pushType string) bool {
	suffix, fixed := suffixOf(pushType)
	switch {
	case !fixed:
		return true
	case suffix != "":
		return strings.HasSuffix(topic, suffix) && len(topic) > len(suffix)
	}
	return slices.Contains(s.options.Topics, topic) || simulator.BundleOf(topic) == topic
}

// permits knows the bundle ids of Options.Topics with every suffix.
func (s *Server) permits(topic string) bool {
	return slices.Contains(s.options.Topics, topic) || slices.Contains(s.options.Topics, simulator.BundleOf(topic))
}

// isTopic takes what a bundle id or a certificate's UID consists of.
func isTopic(topic string) bool {
	for _, c := range []byte(topic) {
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return len(topic) <= 255
}

package apnstest

import "testing"

func TestTopicPerPushType(t *testing.T) {
	tests := []struct {
		pushType, topic string
		allowed         []string
		reason          string
	}{
		{"alert", goodTopic, nil, ""},
		{"alert", "bad topic", nil, "BadTopic"},
		{"alert", "ünïcode", nil, "BadTopic"},
		{"alert", goodTopic + ".voip", nil, "DeviceTokenNotForTopic"},
		{"alert", goodTopic + ".voip", []string{goodTopic + ".voip"}, ""}, // an app that is called so
		{"alert", goodTopic, []string{goodTopic}, ""},
		{"alert", "org.example.other", []string{goodTopic}, "TopicDisallowed"},
		{"background", goodTopic, nil, ""},
		{"voip", goodTopic + ".voip", nil, ""},
		{"voip", goodTopic, nil, "DeviceTokenNotForTopic"},
		{"voip", ".voip", nil, "DeviceTokenNotForTopic"},
		{"voip", goodTopic + ".voip", []string{goodTopic}, ""},
		{"voip", "org.example.other.voip", []string{goodTopic}, "TopicDisallowed"},
		{"complication", goodTopic + ".complication", nil, ""},
		{"complication", goodTopic, nil, "DeviceTokenNotForTopic"},
		{"fileprovider", goodTopic + ".pushkit.fileprovider", nil, ""},
		{"fileprovider", goodTopic + ".fileprovider", nil, "DeviceTokenNotForTopic"},
		{"location", goodTopic + ".location-query", nil, ""},
		{"location", goodTopic, nil, "DeviceTokenNotForTopic"},
		{"liveactivity", goodTopic + ".push-type.liveactivity", []string{goodTopic}, ""},
		{"liveactivity", goodTopic + "push-type.liveactivity", nil, "DeviceTokenNotForTopic"},
		{"pushtotalk", goodTopic + ".voip-ptt", nil, ""},
		{"pushtotalk", goodTopic + ".voip", nil, "DeviceTokenNotForTopic"},
		{"widgets", goodTopic + ".push-type.widgets", nil, ""},
		{"controls", goodTopic + ".push-type.controls", nil, ""},
		{"controls", goodTopic + ".push-type.widgets", nil, "DeviceTokenNotForTopic"},
		{"mdm", "com.apple.mgmt.External.1b2c", nil, ""},
		{"", goodTopic + ".voip", []string{goodTopic}, ""},
		{"", "org.example.other.voip", []string{goodTopic}, "TopicDisallowed"},
	}
	for _, test := range tests {
		t.Run(test.pushType+" "+test.topic, func(t *testing.T) {
			f := start(t, func(o *Options) { o.Topics = test.allowed })
			p := f.good()
			p.header.Set("apns-priority", "5")
			p.header.Set("apns-topic", test.topic)
			if p.header.Set("apns-push-type", test.pushType); test.pushType == "" {
				p.header.Del("apns-push-type")
			}
			status := 200
			if test.reason != "" {
				status = 400
			}
			f.expect(f.client(), p, status, test.reason)
		})
	}
}

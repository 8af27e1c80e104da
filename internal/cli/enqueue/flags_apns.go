package enqueue

// apnsFlags are the options of an APNs job. Names and meanings: DESIGN §2; the newer ones are Apple's own.
type apnsFlags struct {
	Title             *string  `job:"title" group:"Alert" placeholder:"TEXT" help:"Title of the alert."`
	Subtitle          *string  `job:"subtitle" group:"Alert" placeholder:"TEXT" help:"Subtitle of the alert."`
	LocKey            *string  `job:"loc_key" group:"Alert" placeholder:"KEY" help:"Localised text: a key of the app's strings file."`
	LocArgs           []string `job:"loc_args" group:"Alert" sep:"none" placeholder:"TEXT" help:"Argument for --loc-key. Repeatable."`
	TitleLocKey       *string  `job:"title_loc_key" group:"Alert" placeholder:"KEY" help:"Localised title."`
	TitleLocArgs      []string `job:"title_loc_args" group:"Alert" sep:"none" placeholder:"TEXT" help:"Argument for --title-loc-key. Repeatable."`
	SubtitleLocKey    *string  `job:"subtitle_loc_key" group:"Alert" placeholder:"KEY" help:"Localised subtitle."`
	SubtitleLocArgs   []string `job:"subtitle_loc_args" group:"Alert" sep:"none" placeholder:"TEXT" help:"Argument for --subtitle-loc-key. Repeatable."`
	ActionLocKey      *string  `job:"action_loc_key" group:"Alert" placeholder:"KEY" help:"Localised action button."`
	LaunchImage       *string  `job:"launch_image" group:"Alert" placeholder:"NAME" help:"Image shown while the app starts."`
	Badge             *int64   `job:"badge" group:"Payload" placeholder:"N" help:"Number on the app's icon; 0 removes it."`
	Sound             *nameArg `job:"sound" group:"Payload" placeholder:"NAME|JSON|@FILE" help:"Name of a sound (\"default\"), or the object of a critical alert: {\"critical\":1,\"name\":\"alarm\",\"volume\":0.8}."`
	Category          *string  `job:"category" group:"Payload" placeholder:"ID" help:"Registered category: which buttons are shown."`
	ThreadID          *string  `name:"thread-id" job:"thread_id" group:"Payload" placeholder:"ID" help:"Groups notifications on the device."`
	ContentAvailable  *bool    `job:"content_available" negatable:"" group:"Payload" help:"Wake the app in the background."`
	MutableContent    *bool    `job:"mutable_content" negatable:"" group:"Payload" help:"Run the app's service extension before it is shown."`
	InterruptionLevel *string  `job:"interruption_level" group:"Payload" placeholder:"LEVEL" help:"passive, active, time-sensitive or critical."`
	RelevanceScore    *jsonArg `job:"relevance_score" group:"Payload" placeholder:"NUMBER" help:"Place in the summary, 0 to 1; any number for a Live Activity."`
	TargetContentID   *string  `name:"target-content-id" job:"target_content_id" group:"Payload" placeholder:"ID" help:"Window to bring forward."`
	FilterCriteria    *string  `job:"filter_criteria" group:"Payload" placeholder:"TEXT" help:"Criteria for the Focus filter."`
	Extra             *jsonArg `job:"extra" group:"Payload" placeholder:"JSON|@FILE" help:"Object of the app's own keys, beside aps."`
	Payload           *jsonArg `job:"payload" group:"Payload" placeholder:"JSON|@FILE" help:"The whole payload, sent as it is, instead of a message and its options."`

	Event          *string  `job:"event" group:"Live Activity" placeholder:"EVENT" help:"start, update or end."`
	Timestamp      *int64   `job:"timestamp" group:"Live Activity" placeholder:"SECONDS" help:"Orders updates; seconds since 1970."`
	ContentState   *jsonArg `job:"content_state" group:"Live Activity" placeholder:"JSON|@FILE" help:"Object: the activity's new state."`
	StaleDate      *int64   `job:"stale_date" group:"Live Activity" placeholder:"SECONDS" help:"When the state counts as stale; seconds since 1970."`
	DismissalDate  *int64   `job:"dismissal_date" group:"Live Activity" placeholder:"SECONDS" help:"When an ended activity disappears; seconds since 1970."`
	AttributesType *string  `job:"attributes_type" group:"Live Activity" placeholder:"NAME" help:"Type of the activity; start only."`
	Attributes     *jsonArg `job:"attributes" group:"Live Activity" placeholder:"JSON|@FILE" help:"Object: the activity's fixed attributes; start only."`
	Channel        *string  `job:"channel" group:"Live Activity" placeholder:"ID" help:"Broadcast channel, instead of recipients."`

	Topic            *string  `job:"topic" group:"Delivery" placeholder:"TOPIC" help:"apns-topic (default: the app's topic, with the push type's suffix)."`
	PushType         *string  `job:"push_type" group:"Delivery" placeholder:"TYPE" help:"alert, background, voip, location, liveactivity, … (default: from the payload)."`
	Priority         *int     `job:"priority" group:"Delivery" placeholder:"N" help:"10 at once, 5 saving power, 1 lowest (default: 10; 5 in the background)."`
	LowPriority      *bool    `job:"low_priority" negatable:"" group:"Delivery" help:"Priority 5 instead of 10."`
	CollapseID       *string  `name:"collapse-id" job:"collapse_id" group:"Delivery" placeholder:"ID" help:"Replaces an earlier notification with the same id; at most 64 bytes."`
	Expiration       *int64   `job:"expiration" group:"Delivery" placeholder:"SECONDS" help:"Give up that many seconds from now, or from --deliver-at; 0: one attempt (default: 2592000, 30 days)."`
	BatchSize        *int     `job:"batch_size" group:"Delivery" placeholder:"N" help:"Notifications written ahead together, 1 to 1000 (default: 100)."`
	ErrorTimeout     *float64 `job:"error_timeout" group:"Delivery" placeholder:"SECONDS" help:"Wait for answers after the last write, 0 to 300 s (default: 10)."`
	MaxPayloadLength *int     `job:"max_payload_length" group:"Delivery" placeholder:"BYTES" help:"Shorten the text until the payload has at most that many bytes; 0: don't (default: 0)."`
	Retries          *int     `job:"retries" group:"Delivery" placeholder:"N" help:"Write retries of the binary protocol, at least 1 (default: 5)."`
}

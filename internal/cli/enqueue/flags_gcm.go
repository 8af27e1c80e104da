package enqueue

// gcmFlags are the options of a GCM / FCM job. Names and meanings: DESIGN §2; the newer ones are those of FCM HTTP v1.
type gcmFlags struct {
	Notification *jsonArg `job:"notification" group:"Payload" placeholder:"JSON|@FILE" help:"Object that is shown: title, body, …"`
	Android      *jsonArg `job:"android" group:"Payload" placeholder:"JSON|@FILE" help:"Object of FCM v1: Android options."`
	APNS         *jsonArg `name:"apns" job:"apns" group:"Payload" placeholder:"JSON|@FILE" help:"Object of FCM v1: options for Apple devices."`
	Webpush      *jsonArg `job:"webpush" group:"Payload" placeholder:"JSON|@FILE" help:"Object of FCM v1: web push options."`
	FCMOptions   *jsonArg `name:"fcm-options" job:"fcm_options" group:"Payload" placeholder:"JSON|@FILE" help:"Object of FCM v1: analytics label."`
	Payload      *jsonArg `job:"payload" group:"Payload" placeholder:"JSON|@FILE" help:"The provider's message, sent as it is, instead of a message and its options; without its target."`

	Topic     *string `job:"topic" group:"Recipients" placeholder:"NAME" help:"FCM v1: everybody on this topic, instead of recipients."`
	Condition *string `job:"condition" group:"Recipients" placeholder:"EXPR" help:"FCM v1: a condition over topics, instead of recipients: \"'a' in topics && 'b' in topics\"."`
	FID       *bool   `name:"fid" job:"fid" negatable:"" group:"Recipients" help:"FCM v1: the recipients are Firebase installation IDs."`

	CollapseKey           *string `job:"collapse_key" group:"Delivery" placeholder:"KEY" help:"Replaces an undelivered message with the same key."`
	TimeToLive            *int64  `job:"time_to_live" group:"Delivery" placeholder:"SECONDS" help:"Give up after that many seconds, 0 to 2419200; 0: now or never (default: 2419200, 4 weeks)."`
	LowPriority           *bool   `job:"low_priority" negatable:"" group:"Delivery" help:"Normal priority instead of high."`
	DelayWhileIdle        *bool   `job:"delay_while_idle" negatable:"" group:"Delivery" help:"Legacy: wait until the device is in use. Google ignores it today."`
	RestrictedPackageName *string `job:"restricted_package_name" group:"Delivery" placeholder:"NAME" help:"Only for the app with this package name."`
	ProviderDryRun        *bool   `job:"dry_run" negatable:"" group:"Delivery" help:"Job field dry_run: Google checks the message and delivers nothing. See also --dry-run."`
}

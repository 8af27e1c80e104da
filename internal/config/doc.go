// Package config is the one tree of settings of the worker: defaults, a YAML file, the environment, and the check of all
// of it together. Command-line flags are laid over the result of Load by the command line itself, before Validate:
// flags > environment > file > defaults.
//
// # Environment
//
// Every single setting is also a variable: VOLLEY_ and the keys on the way to it, in capitals, joined by "_":
//
//	max_segments                  VOLLEY_MAX_SEGMENTS
//	nats.store_dir                VOLLEY_NATS_STORE_DIR
//	apps.default.apns.key_file    VOLLEY_APPS_DEFAULT_APNS_KEY_FILE
//
// In the name of an app "-" becomes "_" too. A variable can set something for an app that the file names, and for the app
// "default" even if it does not. log.levels is a list: VOLLEY_LOG_LEVELS=volley.apns=debug,volley.gcm=warn. A variable
// that is set to nothing counts as not set. NATS_URL, NATS_CREDS and GOOGLE_APPLICATION_CREDENTIALS are read as other
// programs read them; the VOLLEY_ variable of the same setting wins.
//
// # Paths
//
// A relative path in the file starts at the file's folder, one in a variable or flag at the working directory.
package config

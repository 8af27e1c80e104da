package results

// Why a dead letter died: the closed set of Dead.Reason.
const (
	// DeadInvalid is a job that can't be decoded or has faults.
	DeadInvalid = "invalid"
	// DeadPayload is a job whose payload is over the provider's limit, or can't be made.
	DeadPayload = "payload"
	// DeadUnknownApp is a job of an app without credentials.
	DeadUnknownApp = "unknown_app"
	// DeadBacklogFull is a job that would have been put aside, for which its app's backlog had no room left.
	DeadBacklogFull = "app_backlog_full"
	// DeadIDReused is a job whose id another job has.
	DeadIDReused = "id_reused"
	// DeadPoison is a job or segment that took its worker with it, again and again.
	DeadPoison = "poison"
	// DeadCorrupt is a message of Volley's own that can't be read any more.
	DeadCorrupt = "corrupt"
)

// DeadReasons are all of them.
func DeadReasons() []string {
	return []string{DeadInvalid, DeadPayload, DeadUnknownApp, DeadBacklogFull, DeadIDReused, DeadPoison, DeadCorrupt}
}

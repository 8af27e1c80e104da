package apns

import "github.com/volleypush/volley/sender"

// statusMissingToken is what a gateway answers to a barrier, statusShutdown is no refusal at all, statusNoErrors should
// never come.
const (
	statusNoErrors     = 0
	statusMissingToken = 2
	statusShutdown     = 10
)

// verdict is what the end of a connection says about the notifications that were written on it, in their order: the first
// accepted of them were accepted, then one may have been refused, and the rest was not processed, or nobody knows.
type verdict struct {
	accepted int
	// reason is why the one behind the accepted was refused; nil if none was. status is the gateway's number for it.
	reason *sender.Reason
	status int
	// lost says that it is not known what became of the rest. Else it was certainly not processed: it is to be sent again.
	lost bool
}

// judge reads an error packet by the rules of apns-binary §3; p is nil if the connection ended without one. written is how
// many notifications were written, with the identifiers 1 to written; barrier says that a barrier was, with the next.
func judge(p *packet, written int, barrier bool) verdict {
	if p == nil || p.command != commandResponse {
		return verdict{lost: true}
	}
	named := int(p.identifier)
	switch {
	case barrier && (named == written+1 || named == 0 && p.status == statusMissingToken):
		// None of ours has a token without bytes, so a missing token is the barrier's even where the gateway does not name it.
		return verdict{accepted: written}
	case named == 0 && written == 1 && !barrier && p.status != statusShutdown && p.status != statusNoErrors:
		named = 1 // a gateway that does not know which can mean no other
	case named == 0 || named > written:
		return verdict{lost: true}
	}
	switch p.status {
	case statusShutdown: // names the last one that was accepted
		return verdict{accepted: named}
	case statusNoErrors:
		return verdict{accepted: named - 1, lost: true}
	}
	return verdict{accepted: named - 1, reason: statusReason(p.status), status: int(p.status)}
}

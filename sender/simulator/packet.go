package simulator

import (
	"fmt"
	"slices"
	"time"
)

// packetSize is the size of the error packet of the APNs binary protocol.
const packetSize = 6

// Packet is how the binary gateway of APNs refuses a notification: with an error packet of six bytes, after which it
// discards what is behind it and ends the connection (apns-binary §2, §3).
type Packet struct {
	// Status is the status in it, 0 to 255. Default: the one that belongs to the answer's reason.
	Status *int `json:"status,omitempty"`
	// Identifier replaces the notification's own. 0 is what a gateway says that does not know which one failed.
	Identifier *uint32 `json:"identifier,omitempty"`
	// Split writes that many bytes of it first and the rest 10 ms later. 0 writes it at once.
	Split int `json:"split,omitempty"`
	// Omit ends the connection without a packet.
	Omit bool `json:"omit,omitempty"`
	// Then is how the connection ends: "close" (the default), "reset" with a RST, "half_close" with a FIN while the client
	// may go on writing, "stay" not at all.
	Then string `json:"then,omitempty"`
}

// The values of Packet.Then.
const (
	ThenClose     = "close"
	ThenReset     = "reset"
	ThenHalfClose = "half_close"
	ThenStay      = "stay"
)

func (p *Packet) validate() error {
	switch {
	case p.Status != nil && (*p.Status < 0 || *p.Status > 255):
		return fmt.Errorf("status %d is not within 0 and 255", *p.Status)
	case p.Split < 0 || p.Split >= packetSize:
		return fmt.Errorf("split %d is not within 0 and %d", p.Split, packetSize-1)
	case p.Omit && (p.Status != nil || p.Identifier != nil || p.Split != 0):
		return fmt.Errorf("omit goes with neither status, identifier nor split")
	case p.Then != "" && !slices.Contains([]string{ThenClose, ThenReset, ThenHalfClose, ThenStay}, p.Then):
		return fmt.Errorf("then %q is not one of close, reset, half_close, stay", p.Then)
	}
	return nil
}

// Feedback is what goes wrong at the feedback service of APNs, which streams its list to whoever connects and forgets it.
type Feedback struct {
	// After is how many entries go out before it happens.
	After int `json:"after,omitempty"`
	// Stall is how long nothing comes then; after it the rest does.
	Stall Duration `json:"stall,omitempty"`
	// Truncate ends the connection in the middle of the next entry, after that many of its bytes.
	Truncate int `json:"truncate,omitempty"`
	// Reset ends the connection with a RST.
	Reset bool `json:"reset,omitempty"`
}

func (f *Feedback) validate() error {
	switch {
	case f.After < 0 || f.Truncate < 0:
		return fmt.Errorf("after and truncate cannot be negative")
	case f.Stall < 0 || time.Duration(f.Stall) > maxLatency:
		return fmt.Errorf("stall %s is not within 0 and %s", time.Duration(f.Stall), maxLatency)
	}
	return nil
}

// Feedback is what the script in force does to the feedback service; the zero Feedback for nothing.
func (s *Scripts) Feedback() Feedback {
	if f := s.Script().Feedback; f != nil {
		return *f
	}
	return Feedback{}
}

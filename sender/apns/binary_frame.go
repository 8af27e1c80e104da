package apns

import (
	"encoding/binary"
	"encoding/hex"
	"io"
)

// The binary protocol, apns-binary §2. All integers are big-endian.
const (
	commandPush     = 2
	commandResponse = 8

	itemToken      = 1
	itemPayload    = 2
	itemIdentifier = 3
	itemExpiration = 4
	itemPriority   = 5

	// itemHead is an item's id and length.
	itemHead = 3
	// packetSize is the size of an error packet.
	packetSize = 6
)

// message is what all notifications of a request share on the wire. The payload may also be a recipient's own.
type message struct {
	payload    string
	expiration uint32
	expires    bool // false leaves the item out
	priority   byte
}

// append adds the frame of one notification: a command 2 with its items in the order of the reference. token is hex and
// valid.
func (m *message) append(dst []byte, token string, identifier uint32) []byte {
	size := 4*itemHead + len(token)/2 + len(m.payload) + 4 + 1
	if m.expires {
		size += itemHead + 4
	}
	dst = binary.BigEndian.AppendUint32(append(dst, commandPush), uint32(size)) //nolint:gosec // payloads are bounded
	dst = appendItem(dst, itemToken, len(token)/2)
	dst, _ = hex.AppendDecode(dst, []byte(token))
	dst = append(appendItem(dst, itemPayload, len(m.payload)), m.payload...)
	dst = binary.BigEndian.AppendUint32(appendItem(dst, itemIdentifier, 4), identifier)
	if m.expires {
		dst = binary.BigEndian.AppendUint32(appendItem(dst, itemExpiration, 4), m.expiration)
	}
	return append(appendItem(dst, itemPriority, 1), m.priority)
}

// appendBarrier adds the frame of a notification that no gateway can take, because its token has no bytes: its refusal
// proves that everything before it was accepted. The identifier comes first, so that a gateway knows it when it finds the
// fault.
func appendBarrier(dst []byte, identifier uint32) []byte {
	const payload = "{}"
	dst = binary.BigEndian.AppendUint32(append(dst, commandPush), 3*itemHead+4+uint32(len(payload)))
	dst = binary.BigEndian.AppendUint32(appendItem(dst, itemIdentifier, 4), identifier)
	dst = appendItem(dst, itemToken, 0)
	return append(appendItem(dst, itemPayload, len(payload)), payload...)
}

func appendItem(dst []byte, id byte, size int) []byte {
	return binary.BigEndian.AppendUint16(append(dst, id), uint16(size)) //nolint:gosec // tokens and payloads are bounded
}

// packet is the one thing that a gateway ever says.
type packet struct {
	command, status byte
	identifier      uint32
}

// readPacket reads an error packet, however it is cut into pieces. The error is io.EOF if the gateway ended the connection
// without a word, io.ErrUnexpectedEOF if it broke off in the middle of one.
func readPacket(r io.Reader) (*packet, error) {
	var raw [packetSize]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return nil, err
	}
	return &packet{command: raw[0], status: raw[1], identifier: binary.BigEndian.Uint32(raw[2:])}, nil
}

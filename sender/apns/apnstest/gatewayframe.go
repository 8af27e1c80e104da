// This file models the packets of the binary protocol: "Binary Provider API", tables of the frame, its items and the error
// response, and "Legacy Notification Format", commands 0 and 1 (apns-binary §2). The order of items is not prescribed, so
// any is read; an item that comes twice, is unknown, or breaks off is not a notification.

package apnstest

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxFrame bounds the items of command 2: more than the largest that is allowed, so that a payload that is too large is
// answered as one.
const maxFrame = 1 << 16

// The items of command 2.
const (
	itemToken      = 1
	itemPayload    = 2
	itemIdentifier = 3
	itemExpiration = 4
	itemPriority   = 5
)

// notification is one notification as it came.
type notification struct {
	command    byte
	token      string // hex
	payload    []byte
	identifier uint32
	expiration uint32
	priority   byte
	// given says which items were there.
	given [itemPriority + 1]bool
	// nameless is a notification of command 0, which has no identifier.
	nameless bool
}

var (
	// errUnparsed is a command that is known and cannot be read.
	errUnparsed = errors.New("not a notification")
	// errCommand is a command that is not known.
	errCommand = errors.New("unknown command")
)

// readNotification reads one notification. The error is errUnparsed (with as much as was read), errCommand, or that of the
// connection.
func readNotification(r *bufio.Reader) (*notification, error) {
	command, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	n := &notification{command: command, priority: 10}
	switch command {
	case 0:
		n.nameless = true
		return n, n.readSimple(r)
	case 1:
		var fixed [8]byte
		if _, err := io.ReadFull(r, fixed[:]); err != nil {
			return n, err
		}
		n.setIdentifier(fixed[:4])
		n.setExpiration(fixed[4:])
		return n, n.readSimple(r)
	case 2:
		return n, n.readItems(r)
	}
	return n, errCommand
}

// readSimple reads the token and payload of commands 0 and 1.
func (n *notification) readSimple(r io.Reader) error {
	token, err := readSized(r)
	if err != nil {
		return err
	}
	n.token, n.given[itemToken] = hex.EncodeToString(token), true
	n.payload, err = readSized(r)
	n.given[itemPayload] = true
	return err
}

func readSized(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	data := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, data)
	return data, err
}

func (n *notification) readItems(r io.Reader) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length > maxFrame {
		return errUnparsed
	}
	frame := make([]byte, length)
	if _, err := io.ReadFull(r, frame); err != nil {
		return err
	}
	for len(frame) > 0 {
		if len(frame) < 3 {
			return errUnparsed
		}
		id, size := frame[0], int(binary.BigEndian.Uint16(frame[1:]))
		if frame = frame[3:]; len(frame) < size {
			return errUnparsed
		}
		if !n.set(id, frame[:size]) {
			return errUnparsed
		}
		frame = frame[size:]
	}
	return nil
}

// set takes one item; false if it is none, or there twice.
func (n *notification) set(id byte, data []byte) bool {
	if id < itemToken || id > itemPriority || n.given[id] {
		return false
	}
	n.given[id] = true
	switch id {
	case itemToken:
		n.token = hex.EncodeToString(data)
	case itemPayload:
		n.payload = data
	case itemIdentifier:
		return n.setIdentifier(data)
	case itemExpiration:
		return n.setExpiration(data)
	case itemPriority:
		if len(data) != 1 || data[0] != 10 && data[0] != 5 {
			return false
		}
		n.priority = data[0]
	}
	return true
}

func (n *notification) setIdentifier(data []byte) bool {
	if len(data) != 4 {
		return false
	}
	n.identifier, n.given[itemIdentifier] = binary.BigEndian.Uint32(data), true
	return true
}

func (n *notification) setExpiration(data []byte) bool {
	if len(data) != 4 {
		return false
	}
	n.expiration, n.given[itemExpiration] = binary.BigEndian.Uint32(data), true
	return true
}

// items are the notification's items in the form of headers, for the ledger. The identifier is left out: it would make
// every line's headers different.
func (n *notification) items(connection string) map[string]string {
	out := map[string]string{"connection": connection}
	if n.given[itemExpiration] {
		out["apns-expiration"] = strconv.FormatUint(uint64(n.expiration), 10)
	}
	if n.given[itemPriority] {
		out["apns-priority"] = fmt.Sprint(n.priority)
	}
	return out
}

// errorPacket is the only answer there is: command 8, status, identifier.
func errorPacket(status int, identifier uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{8, byte(status)}, identifier) //nolint:gosec // checked with the script
}

package apnstest

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// BenchmarkPushes is what one notification costs with a client that does as little as possible: it writes batches of
// frames and counts the answers. The ledger is emptied now and then, as a benchmark of a sender would.
func BenchmarkPushes(b *testing.B) {
	key, p8, err := NewKey()
	if err != nil {
		b.Fatal(err)
	}
	server, err := New(Options{Keys: []Key{key}})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	conn, err := tls.Dial("tcp", server.Addr(), &tls.Config{RootCAs: server.Authority().Pool(), NextProtos: []string{"h2"}})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()

	const batch = 500
	var out, block bytes.Buffer
	writer, encoder := http2.NewFramer(&out, nil), hpack.NewEncoder(&block)
	out.WriteString(http2.ClientPreface)
	if err := writer.WriteSettings(); err != nil {
		b.Fatal(err)
	}
	// The answers' windows are never used up: they have no bodies.
	answers := bytes.NewBuffer(make([]byte, 0, 64<<10))
	chunk := make([]byte, 64<<10)
	token := "bearer " + bearer(b, key, p8, time.Now(), nil)
	b.ReportAllocs()
	stream := uint32(1)
	for done := 0; b.Loop(); done++ {
		if done%batch != 0 {
			continue // one iteration is one notification; a batch goes out at its first
		}
		for range batch {
			block.Reset()
			for _, f := range []hpack.HeaderField{
				{Name: ":method", Value: "POST"},
				{Name: ":scheme", Value: "https"},
				{Name: ":authority", Value: "localhost"},
				{Name: ":path", Value: fmt.Sprintf("/3/device/%064x", stream), Sensitive: true},
				{Name: "authorization", Value: token},
				{Name: "apns-topic", Value: goodTopic},
				{Name: "apns-push-type", Value: "alert"},
				{Name: "apns-id", Value: fmt.Sprintf("123e4567-e89b-12d3-a456-%012x", stream), Sensitive: true},
				{Name: "apns-priority", Value: "10"},
			} {
				if err := encoder.WriteField(f); err != nil {
					b.Fatal(err)
				}
			}
			_ = writer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
			_ = writer.WriteData(stream, true, []byte(goodBody))
			stream += 2
		}
		if _, err := conn.Write(out.Bytes()); err != nil {
			b.Fatal(err)
		}
		out.Reset()
		for answered := 0; answered < batch; {
			n, err := conn.Read(chunk)
			if err != nil {
				b.Fatal(err)
			}
			answers.Write(chunk[:n])
			answered += count(answers)
		}
		if server.Ledger().Len() > 1_000_000 {
			server.Ledger().Reset()
		}
	}
}

// count takes whole frames out of the buffer and returns how many of them were HEADERS.
func count(frames *bytes.Buffer) (headers int) {
	for frames.Len() >= 9 {
		head := frames.Bytes()[:9]
		length := int(head[0])<<16 | int(binary.BigEndian.Uint16(head[1:]))
		if frames.Len() < 9+length {
			break
		}
		if http2.FrameType(head[3]) == http2.FrameHeaders {
			headers++
		}
		frames.Next(9 + length)
	}
	return headers
}

package peer

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// answers are the frames of the two answers that there are, without their stream.
type answers struct{ good, gone []part }

// part is one frame of an answer.
type part struct {
	kind    http2.FrameType
	flags   http2.Flags
	payload []byte
}

func newAnswers(platform string) *answers {
	block := func(status string) []byte {
		var b bytes.Buffer
		// It can't fail: the buffer takes everything.
		_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: status})
		return b.Bytes()
	}
	with := func(status, body string) []part {
		if body == "" {
			return []part{{http2.FrameHeaders, http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream, block(status)}}
		}
		return []part{
			{http2.FrameHeaders, http2.FlagHeadersEndHeaders, block(status)},
			{http2.FrameData, http2.FlagDataEndStream, []byte(body)},
		}
	}
	if platform == GCM {
		return &answers{
			good: with("200", `{"name":"projects/volley-simulated/messages/0:1500415314455276%31bd1c9631bd1c96"}`),
			gone: with("404", `{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND","details":[`+
				`{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}`),
		}
	}
	return &answers{good: with("200", ""), gone: with("410", `{"reason":"Unregistered","timestamp":1795430000123}`)}
}

func (a *answers) append(out []byte, stream uint32, gone bool) []byte {
	parts := a.good
	if gone {
		parts = a.gone
	}
	for _, p := range parts {
		out = appendFrame(out, p.kind, p.flags, stream, p.payload)
	}
	return out
}

const idsField = `"registration_ids":[`

// legacy answers one chunk of GCM's legacy protocol.
func (s *Server) legacy(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.tally.requests.Add(1)
	var ids [][]byte
	if _, list, many := bytes.Cut(body, []byte(idsField)); many {
		list, _, _ = bytes.Cut(list, []byte("]"))
		ids = bytes.Split(list, []byte(","))
	} else if _, id, one := bytes.Cut(body, []byte(`"to":"`)); one {
		ids = [][]byte{id}
	}
	out := fmt.Appendf(make([]byte, 0, 64*(len(ids)+2)), `{"multicast_id":108,"success":%d,"failure":0,"canonical_ids":0,"results":[`, len(ids))
	for i, id := range ids {
		n := number(bytes.Trim(id, `"`))
		s.tally.count(n)
		if i > 0 {
			out = append(out, ',')
		}
		if s.options.GoneEvery > 0 && n%s.options.GoneEvery == s.options.GoneEvery-1 {
			out = append(out, `{"error":"NotRegistered"}`...)
		} else {
			out = append(out, `{"message_id":"0:1408000000000000%31bd1c9631bd1c96"}`...)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(out, `]}`...))
}

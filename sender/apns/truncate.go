package apns

import (
	"fmt"
	"maps"
	"sort"

	"github.com/rivo/uniseg"
)

// suffix marks a shortened text, as the reference does.
const suffix = "..."

// shorten renders root with its alert's text cut so that the payload has at most limit bytes. The reference removes one
// character after the other and renders each time; here every character's cost is added up once and the longest prefix
// that fits is searched for. A cut never splits what a reader sees as one character (an accent, a flag, a family emoji),
// and at least one of them stays: a lone "..." says nothing, and dropping the alert without a word is what the reference
// does and we do not.
func shorten(root, aps map[string]any, payload []byte, limit int) ([]byte, Problems) {
	text, set := alertText(aps)
	tooLarge := func(text string) (problems Problems) {
		problems.add("PayloadTooLarge", "max_payload_length", text)
		return problems
	}
	if text == "" {
		return nil, tooLarge(fmt.Sprintf("the payload has %d bytes without a text to shorten, at most %d are allowed", len(payload), limit))
	}
	ends, costs := clusters(text)
	room := limit - (len(payload) - costs[len(costs)-1]) - len(suffix)
	// n is how many characters fit.
	n := sort.Search(len(costs), func(i int) bool { return costs[i] > room })
	if n == 0 {
		return nil, tooLarge(fmt.Sprintf("the payload can't be shortened to %d bytes, because everything beside its text needs %d",
			limit, len(payload)-costs[len(costs)-1]))
	}
	set(text[:ends[n-1]] + suffix)
	shortened, err := appendJSON(nil, root, 0)
	if err != nil {
		return nil, tooLarge(err.Error()) // not reached: the same was rendered in full before
	}
	return shortened, nil
}

// clusters returns, for each character as a reader sees it, where it ends in text, and how many bytes of JSON the text
// takes up to there.
func clusters(text string) (ends, costs []int) {
	end, cost, state := 0, 0, -1
	for rest := text; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		end += len(cluster)
		cost += stringSize(cluster)
		ends = append(ends, end)
		costs = append(costs, cost)
	}
	return ends, costs
}

// alertText finds the text that readers see: the alert itself, or the body of the alert object. set replaces it in place,
// in a copy of the alert object where that is the caller's.
func alertText(aps map[string]any) (text string, set func(string)) {
	alert, err := plain(aps["alert"])
	if err != nil {
		return "", nil
	}
	switch alert := alert.(type) {
	case string:
		return alert, func(s string) { aps["alert"] = s }
	case map[string]any:
		body, err := plain(alert["body"])
		if err != nil {
			return "", nil
		}
		text, _ := body.(string)
		return text, func(s string) {
			changed := make(map[string]any, len(alert))
			maps.Copy(changed, alert)
			changed["body"] = s
			aps["alert"] = changed
		}
	}
	return "", nil
}

// plain turns whatever the caller gave into strings and maps.
func plain(v any) (any, error) {
	switch v.(type) {
	case nil, string, map[string]any:
		return v, nil
	}
	text, err := appendJSON(nil, v, 0)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

package jobs

// Split cuts recipients into segments: the result has one more entry than there are segments, segment i is
// [bounds[i], bounds[i+1]). A segment has at most MaxSegmentRecipients, and few enough bytes that its event fits a
// message of maxPayload bytes even when all of them fail. A recipient too long for that still gets its own segment.
func Split(ids []Token, maxPayload int) []int {
	return (&Job{IDs: ids}).Split(maxPayload)
}

// Split cuts the job's recipients into segments as the function does. Their variables count too: what is rendered for a segment is
// held in memory while it is sent.
func (j *Job) Split(maxPayload int) []int {
	bounds := []int{0}
	for from := 0; from < len(j.IDs); {
		from += j.fitting(from, maxPayload)
		bounds = append(bounds, from)
	}
	return bounds
}

// FitsOne says whether the job is one segment: Split would give at most one.
func FitsOne(j *Job, maxPayload int) bool {
	if _, target := j.Target(); target {
		return true
	}
	return j.fitting(0, maxPayload) == len(j.IDs)
}

// fitting returns how many recipients make one segment, from one of them on: at least one, if there is one.
func (j *Job) fitting(from, maxPayload int) int {
	room, ids := maxPayload-EventReserve, j.IDs[from:]
	for n, id := range ids {
		room -= 2*id.written() + EventPerRecipient
		if j.Vars != nil {
			for _, v := range j.Vars[from+n] {
				room -= v.written()
			}
		}
		if n == MaxSegmentRecipients || n > 0 && room < 0 {
			return n
		}
	}
	return len(ids)
}

// written is how many bytes the token takes in JSON: a hostile id of control characters takes six times its length.
func (t Token) written() int {
	n := len(t.text)
	for i := range len(t.text) {
		switch c := t.text[i]; {
		case c < ' ' || c == 0x7f:
			n += 5
		case c == '"' || c == '\\':
			n++
		}
	}
	return n
}

package simulator

// Counts are numbers of ledger lines.
type Counts struct {
	// Received is all lines.
	Received int `json:"received"`
	// Accepted is the lines that were taken for delivery.
	Accepted int `json:"accepted"`
	// Distinct is the number of different tokens received. Tokens of two platforms are never the same.
	Distinct int `json:"distinct"`
	// Duplicates is the acceptances of a token beyond the first with the same apns-id, or, where no apns-id was sent,
	// with the same body.
	Duplicates int `json:"duplicates"`
	// DryRun is the lines that were only checked.
	DryRun int `json:"dry_run"`
}

// PlatformSummary is the share of one platform.
type PlatformSummary struct {
	Counts
	// Statuses counts the lines by HTTP status.
	Statuses map[int]int `json:"statuses"`
	// Reasons counts the refused lines by reason.
	Reasons map[string]int `json:"reasons"`
}

// Summary is the ledger in numbers.
type Summary struct {
	Counts
	// Platforms has an entry for each platform of which something arrived.
	Platforms map[string]*PlatformSummary `json:"platforms"`
}

// sameness is what makes a second acceptance a duplicate. Bodies are compared by their shared form: equal bodies of
// one token have the same one.
type sameness struct {
	platform, token, id string
	body                *body
}

// Summary counts the lines the ledger has at this moment. It takes some hundred nanoseconds a line.
func (l *Ledger) Summary() Summary {
	s := Summary{Platforms: map[string]*PlatformSummary{}}
	seen := map[[2]string]struct{}{}
	accepted := map[sameness]struct{}{}
	for x := range l.lines() {
		p := s.Platforms[x.head.platform]
		if p == nil {
			p = &PlatformSummary{Statuses: map[int]int{}, Reasons: map[string]int{}}
			s.Platforms[x.head.platform] = p
		}
		p.Received++
		p.Statuses[int(x.status)]++
		if x.reason != "" {
			p.Reasons[x.reason]++
		}
		key := [2]string{x.head.platform, x.token}
		if _, old := seen[key]; !old && x.token != "" {
			seen[key] = struct{}{}
			p.Distinct++
		}
		n := Notification{Status: int(x.status), Reason: x.reason, DryRun: x.dryRun}
		if x.dryRun {
			p.DryRun++
		}
		if !n.Accepted() {
			continue
		}
		p.Accepted++
		same := sameness{platform: x.head.platform, token: x.token, id: x.id}
		if x.id == "" {
			same.body = x.body
		}
		if _, old := accepted[same]; old {
			p.Duplicates++
		}
		accepted[same] = struct{}{}
	}
	for _, p := range s.Platforms {
		s.Received += p.Received
		s.Accepted += p.Accepted
		s.Distinct += p.Distinct
		s.Duplicates += p.Duplicates
		s.DryRun += p.DryRun
	}
	return s
}

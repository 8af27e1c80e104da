package apns

import "github.com/volleypush/volley/sender"

// Load is what the client has open now. Safe for concurrent use.
func (c *Client) Load() sender.Load {
	if c.gateway != nil {
		return c.gateway.load()
	}
	return c.pool.load()
}

// load takes mu itself.
func (p *pool) load() sender.Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := sender.Load{Connections: len(p.members) + len(p.leaving)}
	for _, m := range p.members {
		l.UnderWay += m.flying
	}
	for _, m := range p.leaving {
		l.UnderWay += m.flying
	}
	return l
}

// load takes mu itself.
func (g *gateway) load() sender.Load {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := sender.Load{Connections: len(g.sessions)}
	for s := range g.sessions {
		l.UnderWay += len(s.written)
	}
	return l
}

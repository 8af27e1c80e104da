package gcm

import "github.com/volleypush/volley/sender"

// Load is what the client has open now; connections for access tokens are not counted. Safe for concurrent use.
func (c *Client) Load() sender.Load {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	l := sender.Load{Connections: len(c.pool.conns)}
	for _, conn := range c.pool.conns {
		l.UnderWay += conn.running
	}
	return l
}

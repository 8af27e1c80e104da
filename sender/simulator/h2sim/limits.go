package h2sim

import "golang.org/x/net/http2"

// limits is how many streams the client may have open. It learns of a change when it reads our SETTINGS, and we learn
// that it has when its acknowledgement comes; streams it opens in between obey a limit that was right for it.
type limits struct {
	stated       uint32   // by the last SETTINGS
	acknowledged uint32   // by the last SETTINGS that the client has acknowledged
	underway     []uint32 // by each SETTINGS that it has not
}

// state notes that SETTINGS were sent.
func (l *limits) state(streams uint32) {
	l.stated = streams
	l.underway = append(l.underway, streams)
}

// acknowledge notes that the client has read the first of those underway. first says that these were our very first.
func (l *limits) acknowledge() (known bool) {
	if len(l.underway) == 0 {
		return false
	}
	l.acknowledged = l.underway[0]
	l.underway = l.underway[1:]
	return true
}

// permitted is the most the client can believe to be allowed.
func (l *limits) permitted() uint32 {
	most := l.acknowledged
	for _, streams := range l.underway {
		most = max(most, streams)
	}
	return most
}

// settings reads the client's SETTINGS and acknowledges them.
func (c *Conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return c.acknowledged()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingHeaderTableSize:
			c.encoder.SetMaxDynamicTableSize(s.Val)
		case http2.SettingMaxFrameSize:
			c.peer.frameSize = min(maxFrame, int(s.Val))
		case http2.SettingInitialWindowSize:
			return c.resize(int64(s.Val))
		default: // nothing of ours depends on the others
		}
		return nil
	})
	if err == nil && !c.mute {
		err = c.out.WriteSettingsAck()
	}
	return err
}

// resize changes the windows of all streams by what a new one's changed, RFC 9113 §6.9.2.
func (c *Conn) resize(window int64) error {
	difference := window - c.peer.window
	c.peer.window = window
	for _, s := range c.streams {
		if s.send += difference; s.send > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
	}
	c.pump()
	return nil
}

// acknowledged: from now on the client keeps to what our oldest unacknowledged SETTINGS said.
func (c *Conn) acknowledged() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.settingsRead
	if !c.limits.acknowledge() {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	if first {
		c.settingsRead = true
		for _, s := range c.streams {
			s.window += int64(c.config.Window) - defaultWindow
		}
	}
	return nil
}

package h2sim

import (
	"bufio"
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// defaultWindow is SETTINGS_INITIAL_WINDOW_SIZE and the window of a new connection, RFC 9113 §6.9.2.
	defaultWindow = 65535
	// maxFrame is the largest frame that is read, and the largest that is written unless the client allows less.
	maxFrame = 16384
	// connWindow is how many bytes of bodies may be on their way to us on one connection.
	connWindow = 1 << 20
	// readBuffer is two TLS records.
	readBuffer = 32 << 10
	// maxOut is how many bytes may wait to be written; beyond that the connection reads nothing, as a server would that
	// has to save memory.
	maxOut = 4 << 20
	// maxIdle is how many finished streams are kept for reuse.
	maxIdle = 256
	// linger is how long a connection that we have closed still reads, because closing a socket with something unread
	// would be a reset, which can take our last words with it.
	linger = 500 * time.Millisecond
)

// Unlimited is a MAX_CONCURRENT_STREAMS that is not stated.
const Unlimited = ^uint32(0)

// Config says how a connection behaves.
type Config struct {
	// Handler answers. It may be an EarlyHandler. Required.
	Handler Handler
	// Arrived is asked, by the reader, whether to take a complete request; nil takes each. It may take, lose or refuse the
	// request itself, keep it for later, or leave it without an answer; then it says no.
	Arrived func(*Stream) (take bool)
	// MaxStreams is the first SETTINGS_MAX_CONCURRENT_STREAMS.
	MaxStreams uint32
	// Window is SETTINGS_INITIAL_WINDOW_SIZE. Default 65,535.
	Window uint32
	// MaxHeaderBytes is SETTINGS_MAX_HEADER_LIST_SIZE; a longer header is answered with 431. Default 8,000.
	MaxHeaderBytes uint32
	// MaxBody is the longest body that is kept, in bytes. Default 1 MiB.
	MaxBody int
	// Excess is asked when a client opens a stream beyond any limit it can have known: the code and text of the GOAWAY
	// that ends the connection. Where it is nil or says no, the stream is refused like any other over the limit.
	Excess func() (code http2.ErrCode, debug string, yes bool)
	// Stats counts; several connections may share one. nil for none.
	Stats *Stats
}

// Stats are counters of one or several connections. Safe for concurrent use.
type Stats struct {
	// Requests is how many arrived complete.
	Requests atomic.Int64
	// Refused is how many streams were refused for being over the limit, and Excess how many of them the client opened
	// beyond any limit it can have known.
	Refused, Excess atomic.Int64
	// Mistakes is how many times a client broke a rule of RFC 9113 other than the number of streams.
	Mistakes atomic.Int64
}

// Conn is one connection. Its methods are safe for concurrent use, except that Serve is called once.
type Conn struct {
	conn   net.Conn
	config Config
	early  EarlyHandler

	// The reader's own.
	buffered *bufio.Reader
	in, out  *http2.Framer
	decoder  *hpack.Decoder
	head     head
	maxID    uint32
	settled  bool // the client's first SETTINGS are here
	credit   uint32
	idle     []*Stream

	wake chan struct{}
	// timers counts answers that wait for their time.
	timers sync.WaitGroup

	mu      sync.Mutex
	pending bytes.Buffer // what is to be written
	drained sync.Cond    // pending was taken
	encoder *hpack.Encoder
	block   bytes.Buffer
	streams map[uint32]*Stream
	// forgotten are streams that we ended before the client did; what it still sends on them is no mistake.
	forgotten    map[uint32]struct{}
	blocked      []*Stream // their bodies wait for the client's windows
	limits       limits
	peer         peer
	lastTaken    uint32
	settingsRead bool   // the client has read our first SETTINGS
	lastSaid     uint32 // of the last GOAWAY
	leaving      bool   // a GOAWAY was sent
	draining     bool
	stalled      bool
	waiting      []late
	pongs        map[[8]byte]func()
	ignoring     bool   // no new request is taken
	mute         bool   // nothing more is put into pending
	final        func() // runs when pending is written for the last time
	over         bool
}

// peer is what the client allows us.
type peer struct {
	window    int64 // of a new stream
	conn      int64
	frameSize int
}

// late is an answer that is held back.
type late struct {
	stream   *Stream
	response Response
}

// New prepares a connection that has done its TLS handshake, or needs none. Our SETTINGS are written by Serve.
func New(conn net.Conn, config Config) *Conn {
	if config.Window == 0 {
		config.Window = defaultWindow
	}
	if config.MaxHeaderBytes == 0 {
		config.MaxHeaderBytes = 8000
	}
	if config.MaxBody == 0 {
		config.MaxBody = 1 << 20
	}
	if config.Stats == nil {
		config.Stats = new(Stats)
	}
	c := &Conn{
		conn: conn, config: config, wake: make(chan struct{}, 1),
		streams: map[uint32]*Stream{}, forgotten: map[uint32]struct{}{}, pongs: map[[8]byte]func(){},
		peer: peer{window: defaultWindow, conn: defaultWindow, frameSize: maxFrame},
	}
	c.early, _ = config.Handler.(EarlyHandler)
	c.drained.L = &c.mu
	c.buffered = bufio.NewReaderSize(flushingReader{c}, readBuffer)
	c.in = http2.NewFramer(nil, c.buffered)
	c.in.SetReuseFrames()
	c.in.SetMaxReadFrameSize(maxFrame)
	c.out = http2.NewFramer(&c.pending, nil)
	c.out.AllowIllegalWrites = true // faults are illegal
	c.decoder = hpack.NewDecoder(4096, c.head.add)
	c.decoder.SetMaxStringLength(maxBlock)
	c.head.limit = config.MaxHeaderBytes
	c.encoder = hpack.NewEncoder(&c.block)
	c.limits = limits{stated: Unlimited, acknowledged: Unlimited}
	c.begin()
	return c
}

// begin queues the server's preface: SETTINGS, and the credit by which the connection's window exceeds its default.
func (c *Conn) begin() {
	settings := []http2.Setting{
		{ID: http2.SettingInitialWindowSize, Val: c.config.Window},
		{ID: http2.SettingMaxFrameSize, Val: maxFrame},
		{ID: http2.SettingMaxHeaderListSize, Val: c.config.MaxHeaderBytes},
	}
	if c.config.MaxStreams != Unlimited {
		settings = append(settings, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: c.config.MaxStreams})
	}
	_ = c.out.WriteSettings(settings...)
	c.limits.state(c.config.MaxStreams)
	_ = c.out.WriteWindowUpdate(0, connWindow-defaultWindow)
}

// Serve runs the connection until it ends, closes it, and leaves nothing behind.
func (c *Conn) Serve() {
	var writer sync.WaitGroup
	writer.Go(c.write)
	c.signal()
	c.read()
	c.mu.Lock()
	c.over = true
	for _, s := range c.streams {
		c.stopTimer(s)
	}
	clear(c.streams)
	c.waiting, c.blocked = nil, nil
	c.drained.Broadcast()
	c.mu.Unlock()
	c.signal()
	_ = c.conn.Close()
	writer.Wait()
	c.timers.Wait()
}

// signal wakes the writer.
func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write is the writer: whatever is pending goes out in one write.
func (c *Conn) write() {
	var spare bytes.Buffer
	for range c.wake {
		for {
			c.mu.Lock()
			if c.over {
				c.mu.Unlock()
				return
			}
			if c.pending.Len() == 0 {
				final := c.final
				c.final = nil
				c.mu.Unlock()
				if final != nil {
					final()
				}
				break
			}
			spare, c.pending = c.pending, spare
			c.drained.Broadcast()
			c.mu.Unlock()
			if _, err := c.conn.Write(spare.Bytes()); err != nil {
				_ = c.conn.Close() // the reader notices, and ends us
			}
			spare.Reset()
		}
	}
}

// flushingReader lets the answers go before the reader waits for more.
type flushingReader struct{ c *Conn }

func (r flushingReader) Read(p []byte) (int, error) {
	c := r.c
	c.mu.Lock()
	waiting := c.pending.Len() > 0 || c.final != nil
	c.mu.Unlock()
	if waiting {
		c.signal()
	}
	return c.conn.Read(p)
}

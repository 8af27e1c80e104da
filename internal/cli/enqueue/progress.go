package enqueue

import (
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress is a bar on a terminal, and nothing anywhere else. It has no colours, so NO_COLOR has nothing to turn off.
// A nil progress is silent. It is not safe for concurrent use.
type progress struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// startProgress shows a bar on out if it is a terminal that can move its cursor.
func (s *session) startProgress(name string, total int) *progress {
	file, ok := s.stderr.(*os.File)
	if !ok || total <= 0 || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	if kind, _ := s.env("TERM"); kind == "dumb" {
		return nil
	}
	return newProgress(file, name, total)
}

// newProgress shows how far it is, how fast it goes, and how long it takes on.
func newProgress(out io.Writer, name string, total int, options ...mpb.ContainerOption) *progress {
	container := mpb.New(append([]mpb.ContainerOption{mpb.WithOutput(out), mpb.WithWidth(64)}, options...)...)
	bar := container.New(int64(total), mpb.BarStyle(),
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d / %d"), decor.AverageSpeed(0, " %.0f/s"), decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 6}), decor.Name(" left")))
	return &progress{container: container, bar: bar}
}

func (p *progress) set(done int) {
	if p != nil {
		p.bar.SetCurrent(int64(done))
	}
}

// stop leaves the bar as it stands and waits until nothing more is drawn.
func (p *progress) stop() {
	if p == nil {
		return
	}
	p.bar.Abort(false)
	p.container.Wait()
}

// reading shows how much of a file has been read. A file that is not an ordinary one has no size, and so no bar.
func (s *session) reading(source io.Reader) (io.Reader, *progress) {
	file, ok := source.(*os.File)
	if !ok {
		return source, nil
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return source, nil
	}
	const unit = 1 << 20
	bar := s.startProgress("reading, MiB", int(info.Size()/unit))
	if bar == nil {
		return source, nil
	}
	return &watched{source, bar, 0, unit}, bar
}

// watched moves a bar by what is read.
type watched struct {
	io.Reader
	bar        *progress
	read, unit int
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.read += n
	w.bar.set(w.read / w.unit)
	return n, err
}

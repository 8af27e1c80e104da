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

func newProgress(out io.Writer, name string, total int, options ...mpb.ContainerOption) *progress {
	container := mpb.New(append([]mpb.ContainerOption{mpb.WithOutput(out), mpb.WithWidth(64)}, options...)...)
	bar := container.New(int64(total), mpb.BarStyle(),
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d / %d"), decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 6})))
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

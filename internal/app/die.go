//go:build !chaos || !unix

package app

import (
	"context"

	"github.com/volleypush/volley/internal/pipeline"
	"github.com/volleypush/volley/internal/queue"
)

// mortal is how tests make a worker die at a named point. Only a worker built with the tag chaos has such points; here it is nothing.
type mortal struct{}

type handler = func(context.Context, pipeline.Delivery) pipeline.Disposition

// togetherHandler deals with several deliveries.
type togetherHandler = func(ctx context.Context, all []pipeline.Delivery, alone func(i int), done func(i int, d pipeline.Disposition))

func newMortal(*queue.Conn) mortal { return mortal{} }

func (mortal) ports(p pipeline.Params) pipeline.Params { return p }

func (mortal) handle(next handler) handler { return next }

func (mortal) together(next togetherHandler) togetherHandler { return next }

package app

import (
	"context"
	"fmt"

	"github.com/volleypush/volley/internal/dash"
	"github.com/volleypush/volley/internal/pipeline"
)

// Orders implements dash.Control.
func (p pageBroker) Orders(ctx context.Context) ([]dash.Order, error) {
	given, err := p.conn.Given(ctx)
	orders := make([]dash.Order, 0, len(given))
	for _, o := range given {
		orders = append(orders, dash.Order{Kind: string(o.Kind), Scope: dash.Scope(o.Scope), At: o.At})
	}
	return orders, err
}

// Pause implements dash.Control.
func (p pageBroker) Pause(ctx context.Context, scope dash.Scope) error {
	return p.give(ctx, pipeline.OrderPause, scope)
}

// Cancel implements dash.Control.
func (p pageBroker) Cancel(ctx context.Context, scope dash.Scope) error {
	return p.give(ctx, pipeline.OrderCancel, scope)
}

// give gives an order, if it is for something that there can be.
func (p pageBroker) give(ctx context.Context, kind pipeline.OrderKind, scope dash.Scope) error {
	_, err := p.conn.Give(ctx, kind, pipeline.Scope(scope))
	return err
}

// Resume implements dash.Control.
func (p pageBroker) Resume(ctx context.Context, scope dash.Scope) (int, error) {
	gone, err := p.conn.Withdraw(ctx, pipeline.Scope(scope))
	if err == nil && len(gone) == 0 {
		return 0, fmt.Errorf("%w: nothing within %s is paused (any more)", dash.ErrRefused, scope.Says())
	}
	return len(gone), err
}

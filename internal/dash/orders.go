package dash

import (
	"context"
	"fmt"
	"strings"
)

// control are the buttons for what an order can be about.
type control struct {
	Scope
	// Paused and Cancelled are the orders in force that hold for it; nil for none.
	Paused, Cancelled *Order
	// Unknown says that the orders could not be read.
	Unknown bool
	Done    bool
	Back    string
}

// controls says what is ordered for a scope.
func (s *Server) controls(ctx context.Context, scope Scope, back string, done bool) control {
	c := control{Scope: scope, Back: back, Done: done}
	orders, err := s.orders(ctx)
	if err != nil {
		s.Log.Debug().Err(err).Msg("the orders can't be read for a page")
		c.Unknown = true
		return c
	}
	for i := range orders {
		switch {
		case !orders[i].covers(scope):
		case orders[i].Kind == "pause":
			c.Paused = &orders[i]
		default:
			c.Cancelled = &orders[i]
		}
	}
	return c
}

// orders are those in force.
func (s *Server) orders(ctx context.Context) ([]Order, error) {
	if s.Control == nil {
		return nil, fmt.Errorf("%w: this worker takes no orders", ErrRefused)
	}
	return s.Control.Orders(ctx)
}

// covers says whether the order holds for everything in the scope.
func (o Scope) covers(s Scope) bool {
	return (o.Platform == "" || o.Platform == s.Platform) && (o.App == "" || o.App == s.App) && (o.Lane == "" || o.Lane == s.Lane) &&
		(o.Campaign == "" || o.Campaign == s.Campaign) && (o.Job == "" || o.Job == s.Job)
}

// Says is the scope for people.
func (o Scope) Says() string {
	var parts []string
	for _, part := range []struct{ name, text string }{
		{"platform", string(o.Platform)}, {"app", o.App}, {"lane", string(o.Lane)}, {"campaign", o.Campaign}, {"job", o.Job},
	} {
		if part.text != "" {
			parts = append(parts, part.name+" "+part.text)
		}
	}
	return strings.Join(parts, ", ")
}

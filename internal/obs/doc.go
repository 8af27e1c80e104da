// Package obs is how the worker can be observed: its logs. Each component logs under its own name and at its own level;
// device tokens and secrets have types that no way of logging shows.
package obs

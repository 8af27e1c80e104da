// Package obs is how the worker can be observed: its logs and its metrics. Each component logs under its own name and at its own level;
// device tokens and secrets have types that no way of logging shows, and no metric has a label that a job or a provider can fill at will.
package obs

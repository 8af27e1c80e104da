// Package docs runs every command that the README shows, in the order it shows them, as a reader would: with the go command
// and the nats command line. It is a module of its own, so that the nats command line is no dependency of Volley.
package docs

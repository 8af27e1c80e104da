// Package promql holds the dashboard and the alert rules to the metrics that a worker has, with Prometheus' own parser. It is a module of its own: the parser is
// part of Prometheus, which the worker does not need.
package promql

// Package cli holds what the two command lines share: the exit codes and the error that carries one. Only cmd ends
// the process.
package cli

import (
	"errors"
	"fmt"
	"io"
)

// Exit codes of both programs. 69 and 78 are those of sysexits.h, so that a supervisor can tell "try again later" from
// "a person has to look".
const (
	// ExitOK: everything asked for was done.
	ExitOK = 0
	// ExitFailure: a runtime fault, or at least one recipient failed.
	ExitFailure = 1
	// ExitUsage: the command line, or the job it describes, is wrong. Nothing was sent.
	ExitUsage = 2
	// ExitUnavailable: the broker can't be reached, or a port is taken.
	ExitUnavailable = 69
	// ExitWorkLeft: the worker had to stop with work left at the end of its drain.
	ExitWorkLeft = 70
	// ExitConfig: a setting or credential is missing or wrong.
	ExitConfig = 78
)

// ExitError is an error that knows the exit code it stands for.
type ExitError struct {
	// Code is one of the Exit constants.
	Code int
	// Err is what to tell the user; nil says nothing.
	Err error
}

// Error is the text of Err, or names the code if there is none.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// Exit wraps err with the code; a nil err stays nil.
func Exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: code, Err: err}
}

// Exitf is Exit with a formatted error.
func Exitf(code int, format string, args ...any) error {
	return &ExitError{Code: code, Err: fmt.Errorf(format, args...)}
}

// Code returns the exit code of an error: ExitOK for nil, the code of the outermost ExitError, else ExitFailure.
func Code(err error) int {
	if err == nil {
		return ExitOK
	}
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return exit.Code
	}
	return ExitFailure
}

// Report tells the user about err on w, prefixed with the program's name, and returns its exit code. An ExitError
// without Err is silent: whoever made it has said everything already.
func Report(w io.Writer, program string, err error) int {
	if exit, ok := errors.AsType[*ExitError](err); err != nil && (!ok || exit.Err != nil) {
		_, _ = fmt.Fprintf(w, "%s: %v\n", program, err)
	}
	return Code(err)
}

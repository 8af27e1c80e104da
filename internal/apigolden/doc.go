// Package apigolden holds tests that compare what others build upon with the files in api/go and api/interface: the exported names
// of the public packages, command lines, settings, and everything that has a name at the broker. A change shows in a review as
// a change of those files; docs/versioning.md says which changes a release may have. To write the files anew:
//
//	go test ./internal/apigolden -update
package apigolden

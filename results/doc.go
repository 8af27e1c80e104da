// Package results is the contract of what workers publish on push.results: the event, its JSON codec, its subjects,
// the check that its books balance, and Fold, which rebuilds the reference API's response objects. Standard library only.
package results

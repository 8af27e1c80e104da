// Package arch has no code of its own. Its tests read the module's packages and sources and hold them to the house rules:
// who may import whom, what no package may do, and how large a file may be. When one of them is red, its message says what
// to do; when the rule itself is wrong, change the tables in rules_test.go and say why there.
package arch

package sender

// Load is what a client has open at one moment.
type Load struct {
	// Connections is how many connections are up, those included that only wait for their last answers.
	Connections int
	// UnderWay is how many requests wait for an answer on them. With Apple's binary protocol, which answers no success, that is how
	// many notifications of them are without an outcome.
	UnderWay int
}

//go:build !unix

package simulator

import "net"

// holdPort does not hold the port where sockets cannot be bound without listening: another program may take it.
func holdPort(addr *net.TCPAddr) (listen func() (net.Listener, error), give func(), err error) {
	return func() (net.Listener, error) { return net.ListenTCP("tcp", addr) }, func() {}, nil
}

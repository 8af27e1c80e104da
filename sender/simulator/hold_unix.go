//go:build unix

package simulator

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// holdPort binds a socket to an address that nobody listens on, so that connections are refused and no other program can
// take the port meanwhile. listen begins to listen again; give ends the hold without.
func holdPort(addr *net.TCPAddr) (listen func() (net.Listener, error), give func(), err error) {
	family := syscall.AF_INET6
	var to syscall.Sockaddr
	if v4 := addr.IP.To4(); v4 != nil {
		family = syscall.AF_INET
		to = &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(v4)}
	} else {
		v6 := &syscall.SockaddrInet6{Port: addr.Port}
		copy(v6.Addr[:], addr.IP.To16())
		to = v6
	}
	syscall.ForkLock.RLock() // no child process may inherit the socket
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("a socket for %s: %w", addr, err)
	}
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil && family == syscall.AF_INET6 {
		err = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0) // as package net listens on all addresses
	}
	if err == nil {
		err = syscall.Bind(fd, to)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, nil, fmt.Errorf("holding %s: %w", addr, err)
	}
	file := os.NewFile(uintptr(fd), "held port")
	listen = func() (net.Listener, error) {
		defer file.Close()
		if err := syscall.Listen(fd, backlog); err != nil {
			return nil, fmt.Errorf("listening on %s again: %w", addr, err)
		}
		return net.FileListener(file) // it has a copy of the socket
	}
	return listen, func() { _ = file.Close() }, nil
}

// backlog is how many connections may wait to be accepted.
const backlog = 1024

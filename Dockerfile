# The image is the two static binaries that were built and tested outside it, and nothing else: no shell, no compiler, no base.
#
#   make build && docker build -t volley:local .
#
# The binaries carry certificate authorities, for want of a system's. They run as an unnamed user who is not root, on a root that may be
# read-only. A worker with a NATS server inside writes to /var/lib/volley, and wants a volume there that belongs to this user; enqueue
# with a list larger than a few megabytes, and worker --simulate, want a /tmp.
FROM scratch

COPY bin/worker bin/enqueue /usr/local/bin/

ENV PATH=/usr/local/bin STATE_DIRECTORY=/var/lib/volley
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/worker"]
CMD ["run"]

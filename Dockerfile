# The image holds the binaries that were built and tested outside it, and no compiler:
#
#   make build && docker build -t volley:local .
#
# The base is static Debian without a shell: certificate authorities, time zones and the user "nonroot" (65532).
FROM gcr.io/distroless/static-debian12:nonroot

COPY bin/worker bin/enqueue /usr/local/bin/

USER 65532:65532
ENTRYPOINT ["/usr/local/bin/worker"]
CMD ["run"]

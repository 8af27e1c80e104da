package cli

// Where the system has no certificate authorities, as in an image from scratch, Mozilla's are used, of the time of the build. Where it
// has some, they count.
import (
	_ "golang.org/x/crypto/x509roots/fallback" // see above
)

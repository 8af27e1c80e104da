package jobs

import (
	"errors"
	"fmt"
)

// ValidateRecipient checks the form of one recipient. A malformed one fails alone and never reaches a provider. The
// error says what is wrong and never shows the text.
//
// A device token is hexadecimal in either case, of an even number of digits, MaxTokenBytes at most (Apple says not to
// assume a size); a registration ID is opaque, 1 to MaxRegistrationIDBytes bytes.
func ValidateRecipient(p Platform, id Token) error {
	if id.text == "" {
		return errors.New("the id is empty")
	}
	if p == GCM {
		if len(id.text) > MaxRegistrationIDBytes {
			return fmt.Errorf("the registration ID is longer than %d bytes", MaxRegistrationIDBytes)
		}
		return nil
	}
	for i := range len(id.text) {
		if hexDigit(id.text[i]) < 0 {
			return errors.New("the device token is not hexadecimal")
		}
	}
	switch {
	case len(id.text)%2 != 0:
		return errors.New("the device token has an odd number of digits")
	case len(id.text) > 2*MaxTokenBytes:
		return fmt.Errorf("the device token is longer than %d bytes", MaxTokenBytes)
	}
	return nil
}

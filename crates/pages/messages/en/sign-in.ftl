# Name and password, choosing an account, a new password, and why a sign-in is refused.

sign-in-title = Sign in
# $application: the name that the application's owner gave it.
sign-in-to = to continue to <strong>{ $application }</strong>
sign-in-user-name = User name
sign-in-password = Password
sign-in-button = Sign in
sign-in-cancel = Cancel

sign-in-account-title = Choose an account
# $name: what the person is called; $user: the user principal name.
sign-in-account-this = Continue as { $name } ({ $user })
sign-in-account-other = Use another account

sign-in-new-password-title = Change password
sign-in-new-password-heading = Choose a password of your own
sign-in-new-password-why = Somebody else gave you the password of <strong>{ $user }</strong>. Replace it before you go on.
sign-in-new-password-current = Current password
sign-in-new-password-new = New password
sign-in-new-password-rules = At least 8 characters, with three of lower case, upper case, digits and symbols; or at least 15 characters of any kind.
sign-in-new-password-again = New password again
sign-in-new-password-button = Change password

# Why not.
sign-in-refused-credentials = The user name or the password is wrong.
sign-in-refused-disabled = The account is disabled.
sign-in-refused-locked = { $minutes ->
    [one] Too many failed attempts. Try again in a minute.
   *[other] Too many failed attempts. Try again in { $minutes } minutes.
}
sign-in-refused-differ = The two new passwords differ.
sign-in-refused-same = The new password must differ from the old one.
sign-in-refused-length = The new password must have 8 to 256 characters.
sign-in-refused-control = The new password must not contain control characters.
sign-in-refused-simple = The new password is too simple: use three of lower case, upper case, digits and symbols, or at least 15 characters.
sign-in-refused-name = The new password must not contain your name.
sign-in-refused-common = The new password is one of those that are tried first. Choose another one.

# Back to the application, by a form.
sign-in-back-title = Working
sign-in-back-heading = You are being sent back to the application
sign-in-back-press = This browser runs no scripts. Press the button to go on.
sign-in-back-button = Continue

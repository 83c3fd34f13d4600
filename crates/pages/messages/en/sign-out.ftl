# Signing out.

sign-out-title = Sign out
sign-out-heading = Do you want to sign out?
sign-out-who = You are signed in as <strong>{ $user }</strong> in this browser.
sign-out-button = Sign out
sign-out-warning = You did not ask for this? Close this window; nothing has changed.

sign-out-done-title = Signed out
sign-out-done-heading = You are signed out
sign-out-done-what = Your session in this browser has ended. Applications may keep sessions of their own until you close them.
sign-out-done-back = Return to the application
sign-out-done-frame = Signing out

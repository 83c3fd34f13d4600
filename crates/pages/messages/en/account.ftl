# The person's own pages: applications and sessions.

account-navigation = My account
account-sign-out = Sign out
account-none = There are none.

account-applications-title = My applications
account-applications-what = These applications may act in the name of <strong>{ $user }</strong>.
# $resource: the name of the service that the permissions below are about.
account-granted-by-administrator = On <strong>{ $resource }</strong>, granted by an administrator for everybody:
# $at: a time.
account-granted-by-you = On <strong>{ $resource }</strong>, granted by you, { $at }:
account-granted-by-you-once = On <strong>{ $resource }</strong>, granted by you:
# $since, $used: times.
account-keeps-access = It keeps access since { $since }, last used { $used }.
account-take-back = Take access back from { $application }
account-take-back-title = Take access back
account-take-back-heading = Take access back from { $application }?
account-take-back-what = What you granted to <strong>{ $application }</strong> ends, and so do the sessions it keeps. Access tokens that it has already work until they expire, commonly within an hour and a half. It can ask you again.
account-take-back-stays = What an administrator granted for everybody stays.
account-take-back-do = Take access back
account-take-back-keep = Keep it

account-sessions-title = Sessions
account-sessions-heading = Where you are signed in
account-sessions-what = You are signed in as <strong>{ $user }</strong>.
account-browsers = Browsers
# $address: from where the person signed in. $since, $used: times.
account-browser = from { $address }, since { $since }, last used { $used }
account-browser-this = (this browser)
account-browser-unknown = unknown browser
account-address-unknown = an unknown address
account-end = End
account-end-browser = End the session of { $browser }, since { $since }
account-end-others = End the sessions of all other browsers
account-keepers = Applications that keep access
account-keeper = since { $since }, last used { $used }
account-end-keeper = End the sessions of { $application }
account-everything = Everything
account-everything-why = Did you lose a device, or does something look strange?
account-end-all = End everything
account-end-all-title = End everything
account-end-all-heading = End all sessions?
account-end-all-what = You are signed out of every browser, this one too, and no application keeps access: each has to ask you to sign in again.
account-end-all-do = End everything
account-end-all-keep = Keep them

account-security-title = Security info
account-security-what = This is how <strong>{ $user }</strong> signs in.
account-security-methods = Second factors
account-security-none = There are none: a password alone lets you in.
account-security-app = authenticator app
account-security-passkey = passkey
account-security-never = never
# $kind: authenticator app or passkey. $added, $used: times.
account-security-method = ({ $kind }), added { $added }, last used { $used }
account-security-add = Add an authenticator app or a passkey
account-security-add-why = Scan this code with an authenticator app, then type the code that the app shows. It is asked for when <strong>{ $user }</strong> signs in.
account-security-rename = Rename
account-security-name = Name
account-security-remove = Remove
# $method: what the person calls it.
account-security-remove-one = Remove { $method }, added { $added }
account-security-remove-title = Remove a second factor
account-security-remove-heading = Remove { $method }?
account-security-remove-last = It is the only one. Your recovery codes go with it.
account-security-back = Back to security info
account-security-codes-left = { $left ->
    [0] You have no recovery codes left.
    [one] You have one recovery code left.
   *[other] You have { $left } recovery codes left.
}
account-security-new-codes = New recovery codes in place of the old ones
account-security-password-why = A new password for <strong>{ $user }</strong>. All your other sessions end with the old one.

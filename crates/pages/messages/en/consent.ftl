# Who asks for what on whose behalf.

consent-title = Permissions
consent-heading = { $application } asks for permissions
consent-signed-in-as = Signed in as
consent-application = Application
consent-unverified = { $id }, unverified publisher
consent-leads-to = The answer goes to
# $resource: the name of the service that the permissions are about.
consent-on-your-behalf = The application will be able to act in your name with these permissions on <strong>{ $resource }</strong>, within what you may do yourself:
# Where the application only wants to know who is there.
consent-only-signs-in = The application will be able to:
# Beside a permission that was not granted before.
consent-new = (new)
consent-knows-name = Sign you in and read your name
consent-knows-email = Read your e-mail address
consent-stays-signed-in = Keep access until you or an administrator end it
consent-warning = Accept only if you know and trust this application. You did not mean to use it? Refuse.
consent-terms = Terms of service
consent-privacy = Privacy statement
consent-admin-needed = Some of these permissions need the approval of an administrator, which you cannot give (AADSTS90094). Ask an administrator to grant them to { $application }.
consent-everybody = Consent on behalf of your organisation: nobody else will be asked
consent-return = Return to the application without granting consent
consent-accept = Accept
consent-refuse = Refuse

# For the whole organisation.
consent-admin-heading = { $application } asks for permissions in your organisation
consent-admin-on = On <strong>{ $resource }</strong>:
# Beside a permission: how the application uses it.
consent-admin-delegated = (in the name of every user)
consent-admin-own = (by itself, without any user)
consent-admin-warning = If you accept, this application has these permissions for all users of your organisation. Nobody else will be asked.

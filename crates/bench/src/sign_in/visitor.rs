//! One user of the client in an own browser, and the grants that are measured.

use anyhow::{Context, Result, ensure};

use super::{
    browser::{Browser, Person},
    issuer::{Issuer, tokens},
};
use crate::load::{Connection, Conversation, Target};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The client credentials grant.
    Application,
    /// The refresh grant: one signature.
    Refresh,
    /// The same, with an ID token: two signatures.
    RefreshWithIdToken,
    /// An authorization request with a live session, and the code's redemption: two signatures.
    Code,
}

/// A user who is signed in.
#[derive(Debug)]
pub(super) struct Visitor {
    browser: Browser,
    refresh_token: String,
}

impl Visitor {
    /// Signs a person in.
    pub(super) async fn arrive(
        issuer: &Issuer,
        person: &Person,
        connection: &mut Connection,
    ) -> Result<Self> {
        let mut browser = Browser::default();
        let code = issuer.sign_in(person, &mut browser, connection).await?;
        let tokens = issuer.redeem(&code, connection).await?;
        tokens.check()?;
        let refresh_token = tokens.refresh.context("no refresh token came")?;
        Ok(Self { browser, refresh_token })
    }

    /// Signs several in, one after the other.
    pub(super) async fn arrive_all(issuer: &Issuer, target: &Target, people: &[Person]) -> Result<Vec<Self>> {
        let mut connection = Connection::open(target).await?;
        let mut visitors = Vec::with_capacity(people.len());
        for person in people {
            let visitor = Self::arrive(issuer, person, &mut connection).await;
            visitors.push(visitor.with_context(|| format!("{} cannot sign in", person.name))?);
        }
        Ok(visitors)
    }

    /// One more session by redirect; gives its refresh token.
    pub(super) async fn come_again(
        &mut self,
        issuer: &Issuer,
        connection: &mut Connection,
    ) -> Result<String> {
        let code = issuer.code(&mut self.browser, connection).await?;
        let tokens = issuer.redeem(&code, connection).await?;
        ensure!(tokens.id.is_some(), "no ID token came");
        tokens.refresh.context("no refresh token came")
    }
}

/// Uses a refresh token; gives its successor.
pub(super) async fn refreshed(
    issuer: &Issuer,
    connection: &mut Connection,
    (token, with_id_token): (&str, bool),
) -> Result<String> {
    let answer = connection.send_and_keep(issuer.refresh(token, with_id_token)).await?;
    let tokens = tokens(&answer)?;
    ensure!(tokens.id.is_some() == with_id_token, "an ID token is missing, or one too many");
    let next = tokens.refresh.context("no refresh token came")?;
    ensure!(next != token, "the refresh token was not replaced");
    Ok(next)
}

/// A visitor who does the same again and again.
pub(super) struct Busy<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) visitor: &'a mut Visitor,
    pub(super) flow: Flow,
}

impl Conversation for Busy<'_> {
    async fn turn(&mut self, connection: &mut Connection) -> Result<bool> {
        let visitor = &mut *self.visitor;
        match self.flow {
            Flow::Application => {
                let answer = connection.send_and_keep(self.issuer.for_application()).await?;
                tokens(&answer)?;
            }
            Flow::Refresh | Flow::RefreshWithIdToken => {
                let asked = (visitor.refresh_token.as_str(), self.flow == Flow::RefreshWithIdToken);
                visitor.refresh_token = refreshed(self.issuer, connection, asked).await?;
            }
            Flow::Code => {
                visitor.refresh_token = visitor.come_again(self.issuer, connection).await?;
            }
        }
        Ok(true)
    }
}

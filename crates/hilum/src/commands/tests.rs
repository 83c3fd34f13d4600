//! The grammar: every option of the sheet's table (§6) and every line of Microsoft's healthcare articles parses.

use clap::{CommandFactory as _, Parser as _};

use super::Cli;

/// One line as a shell would split it: spaces, and single quotes around words that hold some.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("hilum".to_owned()).chain(words(line)))
}

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_option_of_the_sheet_parses() {
    let wrong: Vec<String> = LINES
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .filter_map(|line| Some(format!("{line}\n    {}", parse(line).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_directory_has_two_spellings() {
    for command in ["app list", "sp list", "user list", "group list"] {
        parse(command).unwrap();
        parse(&format!("ad {command}")).unwrap();
    }
}

#[test]
fn what_contradicts_itself_is_wrong_usage() {
    for line in [
        "app create",
        "app show",
        "app credential reset --id x --years 1 --end-date 2027-01-01",
        "app credential reset --id x --cert a --create-cert",
        "app create --display-name n --is-fallback-public-client maybe",
        "app permission add --id x --api y",
        "app permission grant --id x --api y",
        "role assignment create --role r",
        "role assignment create --role r --assignee a --assignee-object-id b",
        "role assignment create --role r --assignee a --assignee-principal-type User",
        "role assignment delete --ids a --role r",
        "role assignment list --all --scope /",
        "user create --display-name n --user-principal-name u",
        "user update --id u --force-change-password-next-sign-in",
        "group member add --group g",
        "account get-access-token --resource r --scope s",
        "account set",
        "login --service-principal",
        "login --use-device-code -u x",
        "login -p x",
        "login -u x --certificate f",
        "rest",
        "rest -u / -m steal",
        "completion tcsh",
    ] {
        let error = parse(line).err().unwrap_or_else(|| panic!("{line} parses"));
        assert!(error.use_stderr(), "{line}");
    }
}

const LINES: &str = r#"
    ad app create --display-name n --identifier-uris api://a api://b --sign-in-audience AzureADMyOrg --web-home-page-url https://h
    ad app create --display-name n --web-redirect-uris https://a https://b --public-client-redirect-uris http://localhost --is-fallback-public-client
    ad app create --display-name n --is-fallback-public-client true --enable-id-token-issuance false --enable-access-token-issuance
    ad app create --display-name n --required-resource-accesses '[]' --app-roles @roles.json --optional-claims '{}'
    ad app create --display-name n --key-value x --key-type AsymmetricX509Cert --key-usage Verify --key-display-name d --start-date 2026-01-01 --end-date 2027-01-01
    ad app create --display-name n --requested-access-token-version 2 --service-management-reference r
    ad app create --display-name n --reply-urls https://a --homepage https://h --native-app true --required-resource-manifest @m.json
    ad app update --id x --display-name n --web-redirect-uris https://a --set publicClient=true --add tags a --remove tags 0
    ad app update --id x --set web.homePageUrl=https://h notes=n --force-string
    ad app show --id x
    ad app delete --id x
    ad app list --all --app-id a --display-name d --filter 'displayName eq n' --identifier-uri u --show-mine
    ad app credential reset --id x --append --display-name d --years 2
    ad app credential reset --id x --append --credential-description d --end-date 2027-01-01T00:00:00Z
    ad app credential reset --id x --cert @cert.pem
    ad app credential reset --id x --create-cert --keyvault v
    ad app credential list --id x --cert
    ad app credential delete --id x --key-id k --cert
    ad app owner add --id x --owner-object-id o
    ad app owner remove --id x --owner-object-id o
    ad app owner list --id x
    ad app permission add --id x --api a --api-permissions i=Scope j=Role
    ad app permission list --id x
    ad app permission delete --id x --api a --api-permissions i j
    ad app permission delete --id x --api a
    ad app permission grant --id x --api a --scope s t --consent-type Principal --principal-id p
    ad app permission grant --client-id x --resource-id a --scope s
    ad app permission list-grants --id x --filter f --show-resource-name
    ad app permission list-grants -r true
    ad app permission admin-consent --id x
    ad app federated-credential create --id x --parameters '{}'
    ad app federated-credential update --id x --federated-credential-id f --parameters @f.json
    ad app federated-credential show --id x --federated-credential-id f
    ad app federated-credential list --id x
    ad app federated-credential delete --id x --federated-credential-id f
    ad sp create --id x
    ad sp create-for-rbac
    ad sp create-for-rbac --name n --role 'DICOM Data Owner' --scopes /a /b --years 2 --create-cert
    ad sp create-for-rbac -n n --cert @c.pem --keyvault v --json-auth
    ad sp create-for-rbac --display-name n --sdk-auth true --skip-assignment
    ad sp show --id x
    ad sp list --all --display-name d --filter f --spn s --show-mine
    ad sp update --id x --set accountEnabled=false --add tags a --remove notes
    ad sp delete --id x
    ad sp credential reset --id x --append --display-name d --years 1
    ad sp credential list --id x --cert
    ad sp credential delete --id x --key-id k
    ad sp owner list --id x
    ad signed-in-user show
    ad signed-in-user list-owned-objects --type application
    ad user create --display-name n --user-principal-name u@d --password p --force-change-password-next-sign-in --mail-nickname m --immutable-id i
    ad user create --display-name n --user-principal-name u@d --password p --force-change-password-next-login true
    ad user list --display-name d --upn u --filter f
    ad user show --id u
    ad user show --upn-or-object-id u
    ad user update --id u --display-name d --account-enabled false --mail-nickname m --password p --force-change-password-next-sign-in true
    ad user delete --id u
    ad user get-member-groups --id u --security-enabled-only
    ad group create --display-name n --mail-nickname m --description d --force
    ad group list --display-name d --filter f
    ad group show --group g
    ad group show -g g
    ad group update --group g --display-name n --description d --set x=y
    ad group delete --group g
    ad group get-member-groups --group g --security-enabled-only true
    ad group member add --group g --member-id m
    ad group member list --group g
    ad group member remove --group g --member-id m
    ad group member check --group g --member-id m
    ad group owner add --group g --owner-object-id o
    ad group owner list --group g
    ad group owner remove --group g --owner-object-id o
    role definition list --name 'DICOM Data Owner' --custom-role-only --scope / --resource-group g
    role definition list -n x --custom-role-only true
    role definition create --role-definition @r.json
    role definition update --role-definition '{}'
    role definition delete --name n
    role assignment create --role r --assignee a --scope /x --description d --name n
    role assignment create --role r --assignee-object-id o --assignee-principal-type Group
    role assignment list --assignee a --role r --scope /x --include-inherited --include-groups
    role assignment list --all --fill-principal-name false
    role assignment delete --ids a b
    role assignment delete --assignee a --role r --scope /x --yes
    account get-access-token --resource https://r --query accessToken --output tsv
    account get-access-token --resource=https://dicom.healthcareapis.azure.com
    account get-access-token --scope a b --tenant t
    account get-access-token --resource-type ms-graph -s s
    account get-access-token --resource-type arm --subscription s -t t
    account get-access-token --name n
    account get-access-token -u c -p s
    account get-access-token --client-id c --certificate f
    account show --subscription s
    account list --all
    account set --subscription s
    account set -s s
    account set -n n
    account clear
    login
    login --use-device-code --tenant t --allow-no-subscriptions --scope s
    login --server https://h:8443 --ca ca.pem
    login --service-principal -u c -p s --tenant t
    login --service-principal --username c --certificate f -t t
    login -u u -p -
    logout
    logout --username u
    rest -m post -u https://graph.microsoft.com/v1.0/applications --headers 'Content-Type=application/json' --body '{"displayName":"n"}' --query appId -o tsv
    rest --method PATCH --uri https://h/1 --headers 'Content-Type=application/json' --body '{"publicClient":{"redirectUris":["https://www.getpostman.com/oauth2/callback"]}}'
    rest --url /v1.0/me --uri-parameters '$top=1' '$select=id' --resource https://r --skip-authorization-header --output-file f
    ad app create --display-name NAME --query appId -o tsv
    ad app credential reset --id c --append --credential-description D --years 2 --query password -o tsv
    ad app permission add --id c --api 75e725bf-66ce-4cea-9b9a-5c4caae57f33 --api-permissions e69ab058-b8ae-4c0f-b687-5d97888ddccb=Scope
    ad sp create --id 4f6778d8-5aef-43dc-a1ff-b073724b9495
    app list -o json
    app list -o jsonc
    app list -o table
    app list -o tsv
    app list -o yaml
    app list -o none --only-show-errors --verbose --debug
    key list
    key rotate --force
    policy token-lifetime list
    policy token-lifetime create --display-name n --organization-default --access-token 8h --public-refresh-tokens false
    policy token-lifetime update --id n --max-inactive default --definition @file
    policy token-lifetime show --application c
    policy token-lifetime assign --id n --application c
    policy token-lifetime remove --id n --application c
    policy token-lifetime delete --id n
    completion bash
    man folder
    doctor
"#;

//! Where the services are that mds asks, in the forms in which sites write it.

use std::fmt;

use url::Url;

use crate::types::InvalidText;

/// Where the API of a service begins: an absolute http or https URL without password, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl(Url);

/// Where SMD's API lies below the service.
const SMD_API: &str = "/hsm/v2";

impl ServiceUrl {
    /// Parses the URL of SMD. `http://smd:27779` and `https://gateway/apis/smd` get `/hsm/v2` added, and an URL that has
    /// it stays as it is: these are the forms that OpenCHAMI's metadata-service takes.
    ///
    /// # Errors
    /// When it is no such URL. A text that may hold a password is not repeated.
    pub fn smd(text: &str) -> Result<Self, InvalidText> {
        let bare = checked("SMD", "http://smd.example.org:27779", text)?;
        let whole = if bare.contains(SMD_API) { bare.to_owned() } else { format!("{bare}{SMD_API}") };
        Self::of_checked(&whole)
    }

    /// Parses the URL of TokenSmith, such as `https://tokensmith.example.org` or `https://gateway/tokensmith`.
    ///
    /// # Errors
    /// As [`ServiceUrl::smd`].
    pub fn tokensmith(text: &str) -> Result<Self, InvalidText> {
        Self::of_checked(checked("TokenSmith", "https://tokensmith.example.org", text)?)
    }

    fn of_checked(text: &str) -> Result<Self, InvalidText> {
        Url::parse(text).map(Self).map_err(|error| InvalidText(format!("`{text}` is not an URL ({error})")))
    }

    /// The URL of a resource, which begins with a slash.
    #[must_use]
    pub fn join(&self, resource: &str) -> String {
        format!("{}{resource}", self.0.as_str().trim_end_matches('/'))
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// The text without white space around it and slashes at its end, if it is an URL that a resource can be added to.
fn checked<'a>(service: &str, example: &str, text: &'a str) -> Result<&'a str, InvalidText> {
    let trimmed = text.trim();
    let fault = match Url::parse(trimmed) {
        Err(error) => format!("is not an URL ({error})"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "is not an http or https URL".to_owned(),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "has a user name or password".to_owned(),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "has a query or fragment".to_owned(),
        Ok(_) => return Ok(trimmed.trim_end_matches('/')),
    };
    let shown = if trimmed.contains('@') { String::new() } else { format!(" `{}`", trimmed.escape_debug()) };
    Err(InvalidText(format!("the URL of {service}{shown} {fault}; an URL such as `{example}` is expected")))
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_in_which_sites_write_smd_leads_to_its_api() {
        for (given, api) in [
            ("http://smd:27779", "http://smd:27779/hsm/v2/x"),
            ("http://smd:27779/", "http://smd:27779/hsm/v2/x"),
            (" http://smd:27779/hsm/v2/ ", "http://smd:27779/hsm/v2/x"),
            ("https://gateway/apis/smd", "https://gateway/apis/smd/hsm/v2/x"),
            ("https://gateway/apis/smd/", "https://gateway/apis/smd/hsm/v2/x"),
            ("https://gateway/apis/smd/hsm/v2", "https://gateway/apis/smd/hsm/v2/x"),
            ("http://[fd00::1]:27779", "http://[fd00::1]:27779/hsm/v2/x"),
        ] {
            assert_eq!(ServiceUrl::smd(given).unwrap().join("/x"), api, "{given}");
        }
        let tokensmith = ServiceUrl::tokensmith("https://gateway/tokensmith/").unwrap();
        assert_eq!(tokensmith.join("/oauth/token"), "https://gateway/tokensmith/oauth/token");
    }

    #[test]
    fn other_texts_are_refused_without_showing_passwords() {
        for text in
            ["", "smd:27779", "ftp://smd", "http://smd/?a=b", "http://smd/#a", "http://", "https://u:s3cr3t@smd/"]
        {
            let message = ServiceUrl::smd(text).unwrap_err().to_string();
            assert!(message.contains("the URL of SMD") && !message.contains("s3cr3t"), "{message}");
        }
        assert!(!ServiceUrl::smd("http//u:s3cr3t@smd").unwrap_err().to_string().contains("s3cr3t"));
    }
}
